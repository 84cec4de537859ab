package offers_test

import (
	"iter"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/mesos"
	"github.com/berth-sched/berth/internal/script"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

func keysOf(r res) iter.Seq[string] { return maps.Keys(r) }

// mesosPlayer is Mesos' allocator, and as much of its master as answers offers.
type mesosPlayer struct {
	a       *mesos.Allocator
	out     map[string]map[string]res // offers by framework and node
	running map[string]mesosTask
	news    []string
}

type mesosTask struct {
	framework, node string
	r               res
}

func newMesosPlayer(t *testing.T, cmd script.Command) *mesosPlayer {
	a := mesos.New()
	for _, least := range cmd.Values("least") {
		a.Least = append(a.Least, mesos.Amounts(amounts(t, cmd.Pos, least)))
	}
	a.Scarce, a.Exclude, a.Whole = cmd.Value("scarce"), cmd.Values("exclude"), cmd.Values("whole")
	return &mesosPlayer{a: a, out: map[string]map[string]res{}, running: map[string]mesosTask{}}
}

func (m *mesosPlayer) take(made []mesos.Offer) {
	for _, o := range made {
		if m.out[o.Framework] == nil {
			m.out[o.Framework] = map[string]res{}
		}
		sum, _ := m.out[o.Framework][o.Agent].Plus(res(o.Amounts))
		m.out[o.Framework][o.Agent] = sum
		m.news = append(m.news, offerLine(o.Agent, o.Framework, res(o.Amounts)))
	}
}

func (m *mesosPlayer) node(id string, r res, used map[string]res) {
	taken := map[string]mesos.Amounts{}
	for f, u := range used {
		taken[f] = mesos.Amounts(u.Clone())
	}
	m.take(m.a.AddAgent(id, mesos.Amounts(r.Clone()), taken))
}
func (m *mesosPlayer) join(f actor)         { m.take(m.a.Join(f.name, f.role, f.scarce)) }
func (m *mesosPlayer) tick()                { m.take(m.a.Tick()) }
func (m *mesosPlayer) describe(node string) { m.take(m.a.Describe(node)) }
func (m *mesosPlayer) suppress(f string)    { m.a.Suppress(f) }
func (m *mesosPlayer) revive(f string)      { m.take(m.a.Revive(f)) }
func (m *mesosPlayer) decline(f, node string, d time.Duration) {
	if r := m.out[f][node]; len(r) > 0 {
		delete(m.out[f], node)
		m.a.Release(f, node, mesos.Amounts(r), d)
	}
}
func (m *mesosPlayer) launch(f, node string, tasks []string, r res, d time.Duration) {
	rest := m.out[f][node]
	delete(m.out[f], node)
	for _, task := range tasks {
		m.running[task] = mesosTask{f, node, r}
		for name, q := range r {
			rest[name] -= q
		}
	}
	maps.DeleteFunc(rest, func(_ string, q int64) bool { return q <= 0 })
	if len(rest) > 0 {
		m.a.Release(f, node, mesos.Amounts(rest), d)
	}
}
func (m *mesosPlayer) end(task string) {
	if t, ok := m.running[task]; ok {
		delete(m.running, task)
		m.a.Release(t.framework, t.node, mesos.Amounts(t.r), 0)
	}
}
func (m *mesosPlayer) weight(role string, w int64) { m.a.Weigh(role, float64(w)/1000) }
func (m *mesosPlayer) quota(role string, guarantee, limit res) {
	m.a.SetQuota(role, mesos.Quota{Guarantee: mesos.Amounts(guarantee), Limit: mesos.Amounts(limit)})
}
func (m *mesosPlayer) least(f string, least []res) {
	var of []mesos.Amounts
	for _, r := range least {
		of = append(of, mesos.Amounts(r))
	}
	m.a.SetLeast(f, of)
}
func (m *mesosPlayer) share(role string) float64       { return m.a.Share(role) }
func (m *mesosPlayer) offered(f string) map[string]res { return m.out[f] }
func (m *mesosPlayer) made() []string {
	news := m.news
	m.news = nil
	slices.Sort(news)
	return news
}

// berthPlayer is an Exchange on a State.
type berthPlayer struct {
	t     *testing.T
	plain bool // as near to Mesos as can be
	now   time.Time
	state *scheduler.State
	order offers.Order
	x     *offers.Exchange
	subs  map[string]*offers.Subscription
	roles map[string]berth.Role
	seen  map[string]bool
}

func newBerthPlayer(t *testing.T, cmd script.Command, plain bool) *berthPlayer {
	b := &berthPlayer{t: t, plain: plain, now: time.Unix(1000, 0).UTC(), subs: map[string]*offers.Subscription{},
		roles: map[string]berth.Role{}, seen: map[string]bool{}}
	cfg := offers.Config{}
	exclude := cmd.Values("exclude")
	for _, least := range cmd.Values("least") {
		cfg.Least = append(cfg.Least, amounts(t, cmd.Pos, least))
	}
	if plain {
		cfg.LeaseFor = 365 * 24 * time.Hour
	} else {
		for _, n := range cmd.Values("gather") {
			var err error
			cfg.Gather, err = strconv.Atoi(n)
			require.NoError(t, err, cmd.Pos)
		}
	}
	switch {
	case slices.Contains(cmd.Positional(), "by-need"):
		q, err := allocator.NewQueue(allocator.Tree{Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare), Exclude: exclude})
		require.NoError(t, err)
		b.order = q
	case plain:
		b.order = mesosOrder{mesos.NewClients(exclude...)}
	default:
		d, err := allocator.New(allocator.Config{Exclude: exclude})
		require.NoError(t, err)
		b.order = d.Turns()
	}
	cfg.Order = b.order
	var err error
	b.state, err = scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return b.now }})
	require.NoError(t, err)
	b.x, err = offers.NewExchange(b.state, cfg)
	require.NoError(t, err)
	return b
}

func (b *berthPlayer) pass() {
	_, err := b.x.Offer(ctx)
	require.NoError(b.t, err)
}

func (b *berthPlayer) node(id string, r res, used map[string]res) {
	n := berth.Node{ID: id, Capacity: r.Clone()}
	if ports := n.Capacity["ports"]; ports > 0 {
		delete(n.Capacity, "ports")
		n.Ports = []berth.PortRange{{First: 1, Last: uint16(ports / 1000)}}
	}
	if n.Capacity["port80"] > 0 {
		delete(n.Capacity, "port80")
		n.Ports = []berth.PortRange{{First: 80, Last: 80}}
	}
	require.NoError(b.t, b.state.AddNodes(n))
	for _, f := range slices.Sorted(maps.Keys(used)) {
		role, known := b.roles[f]
		if !known {
			role = berth.Role(f)
		}
		task := berth.NewTask(f+"-on-"+id, berth.GroupSpec{Role: role, Request: used[f]})
		require.NoError(b.t, b.state.Adopt(scheduler.Running{Task: task, Node: id}))
	}
	b.pass()
}

func (b *berthPlayer) join(f actor) {
	role := berth.Role(f.role)
	who := offers.Framework{Name: f.name, Role: role, Blind: b.plain}
	b.roles[f.name] = role
	if !b.plain {
		switch {
		case f.does == "idle":
			who.Demand = []offers.Demand{}
		case f.wants != nil:
			who.Demand = []offers.Demand{{Group: b.group(f.name, f.wants), Count: f.tasks}}
		}
	}
	var s *offers.Subscription
	var err error
	if f.of != "" {
		who.Name = "" // the framework's
		s, err = b.subs[f.of].Join(who)
	} else {
		s, err = b.x.Subscribe(who)
	}
	require.NoError(b.t, err)
	b.subs[f.name] = s
	b.pass()
}

func (b *berthPlayer) group(f string, r res) *berth.Group {
	spec := berth.GroupSpec{Role: b.roles[f], Request: r.Clone()}
	if ports := spec.Request["ports"]; ports > 0 {
		delete(spec.Request, "ports")
		spec.DynamicPorts = int(ports / 1000)
	}
	if spec.Request["port80"] > 0 {
		delete(spec.Request, "port80")
		spec.Ports = []berth.PortRange{{First: 80, Last: 80}}
	}
	return berth.NewGroup(f, spec)
}

func (b *berthPlayer) tick() {
	b.now = b.now.Add(time.Second)
	b.pass()
}

func (b *berthPlayer) idsOn(f, node string) (ids []string) {
	all, err := b.subs[f].Offers(ctx)
	require.NoError(b.t, err)
	for _, o := range all {
		if o.Node == node {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

func (b *berthPlayer) decline(f, node string, d time.Duration) {
	if ids := b.idsOn(f, node); len(ids) > 0 {
		require.NoError(b.t, b.subs[f].Decline(ctx, ids, offers.Filter{For: d}))
	}
}

func (b *berthPlayer) launch(f, node string, tasks []string, r res, d time.Duration) {
	if ids := b.idsOn(f, node); len(ids) > 0 {
		g, plan := b.group(f, r), &cluster.Plan{}
		for _, task := range tasks {
			plan.Place(g.Task(task), node)
		}
		out, err := b.subs[f].Accept(ctx, ids, plan, offers.Filter{For: d})
		require.NoError(b.t, err)
		require.Empty(b.t, out.Refused)
	}
}

func (b *berthPlayer) end(task string) {
	if _, ok := b.state.Task(task); ok {
		require.NoError(b.t, b.state.Release(task))
	}
}

func (b *berthPlayer) describe(node string) {
	view, ok := b.state.Node(node)
	require.True(b.t, ok)
	n := view.Node()
	n.Attributes = berth.Attributes{"described": b.now.String()}
	require.NoError(b.t, b.state.UpdateNodes(n))
	b.pass()
}

func (b *berthPlayer) weight(role string, w int64) {
	require.NoError(b.t, b.x.Consult(ctx, func(o offers.Order) {
		if turns, ok := o.(*allocator.Turns); ok {
			require.NoError(b.t, (*allocator.DRF)(turns).SetWeight(berth.Role(role), allocator.Weight(w)))
			return
		}
		require.NoError(b.t, o.(interface {
			SetWeight(berth.Role, allocator.Weight) error
		}).SetWeight(berth.Role(role), allocator.Weight(w)))
	}))
}

func (b *berthPlayer) quota(role string, guarantee, limit res) {
	q := berth.Quota{Role: berth.Role(role), Guarantees: guarantee, Limits: limit}
	require.NoError(b.t, b.state.SetQuotas(q))
	if queue, ok := b.order.(*allocator.Queue); ok {
		require.NoError(b.t, b.x.Consult(ctx, func(offers.Order) { require.NoError(b.t, queue.SetQuota(q)) }))
	}
}

func (b *berthPlayer) least(f string, least []res) {
	require.NoError(b.t, b.subs[f].SetTerms(offers.Terms{Least: append([]res{}, least...)}))
}

func (b *berthPlayer) suppress(f string) { require.NoError(b.t, b.subs[f].Suppress()) }
func (b *berthPlayer) revive(f string) {
	require.NoError(b.t, b.subs[f].Revive())
	b.pass()
}

func (b *berthPlayer) share(role string) (share float64) {
	require.NoError(b.t, b.x.Consult(ctx, func(o offers.Order) {
		var s allocator.Share
		switch o := o.(type) {
		case mesosOrder:
			share = o.Share(role)
			return
		case *allocator.Queue:
			s, _ = o.RoleShare(berth.Role(role))
		case *allocator.Turns:
			s, _ = (*allocator.DRF)(o).RoleShare(berth.Role(role))
		}
		if share = s.Float64(); s.Weight > 0 {
			share *= float64(allocator.DefaultWeight) / float64(s.Weight)
		}
	}))
	return share
}

// room is what an offer has, ports among it.
func room(o offers.Offer) res {
	r := o.Resources.Clone()
	if r == nil {
		r = res{}
	}
	for _, p := range o.Ports {
		if p.Number == 80 {
			r["port80"] = 1000
			continue
		}
		r["ports"] += 1000
	}
	return r
}

func (b *berthPlayer) offered(f string) map[string]res {
	all, err := b.subs[f].Offers(ctx)
	require.NoError(b.t, err)
	out := map[string]res{}
	for _, o := range all {
		sum, err := out[o.Node].Plus(room(o))
		require.NoError(b.t, err)
		out[o.Node] = sum
	}
	return out
}

func (b *berthPlayer) made() (news []string) {
	for name, s := range b.subs {
		all, err := s.Offers(ctx)
		require.NoError(b.t, err)
		for _, o := range all {
			if !b.seen[o.ID] {
				b.seen[o.ID] = true
				news = append(news, offerLine(o.Node, name, room(o)))
			}
		}
	}
	slices.Sort(news)
	return news
}

// mesosOrder is the order of Mesos, for an Exchange. It refuses nothing.
type mesosOrder struct{ *mesos.Clients }

func told(do func()) error { do(); return nil }

func (m mesosOrder) SetCapacity(r res) error {
	return told(func() { m.SetTotal(mesos.Amounts(r.Clone())) })
}
func (m mesosOrder) SetWeight(r berth.Role, w allocator.Weight) error {
	return told(func() { m.Clients.SetWeight(string(r), float64(w)/float64(allocator.DefaultWeight)) })
}
func (m mesosOrder) Add(r berth.Role, name string) error {
	return told(func() { m.Clients.Add(string(r), name) })
}
func (m mesosOrder) Remove(r berth.Role, name string) error {
	return told(func() { m.Clients.Remove(string(r), name) })
}
func (m mesosOrder) Activate(r berth.Role, name string) error {
	return told(func() { m.Clients.Activate(string(r), name, true) })
}
func (m mesosOrder) Deactivate(r berth.Role, name string) error {
	return told(func() { m.Clients.Activate(string(r), name, false) })
}
func (m mesosOrder) Charge(r berth.Role, name string, of res) error {
	return told(func() { m.Allocated(string(r), name, mesos.Amounts(of)) })
}
func (m mesosOrder) Credit(r berth.Role, name string, of res) error {
	return told(func() { m.Unallocated(string(r), name, mesos.Amounts(of)) })
}
func (m mesosOrder) All() iter.Seq2[berth.Role, string] {
	return func(yield func(berth.Role, string) bool) {
		for _, c := range m.Sort() {
			if !yield(berth.Role(c.Role), c.Name) {
				return
			}
		}
	}
}
