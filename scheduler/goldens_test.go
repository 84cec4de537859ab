package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/mesos"
	"github.com/berth-sched/berth/internal/script"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// The scripts in testdata/golden are examples of the papers on fair shares in which it matters on which node a task is. Each is played in Mesos'
// allocator, with offers of what is declared, and with the whole cluster in view; columns that say the same are written once.
//
//	fill [strategy=aligned] [churn=N]   users run as many tasks as they get; with churn, N times a task ends, by lot, and the room is given again:
//	                                    then it is the mean over the second half. Aligned, tasks go where there is much of what they need
//	                                    much of, and else by the defaults. Below it are the nodes and the users, each with what it has or what a task of
//	                                    its takes, and a kind: a user with a kind can use nodes of that kind only.
func TestGoldens(t *testing.T) {
	script.RunAll(t, "testdata/golden/*.txt", func(*testing.T) func(*testing.T, script.Command) string { return playGolden })
}

// golden is nodes, and users that want all they can get.
type golden struct {
	nodes  []berth.Node
	groups []*berth.Group // one for each user
	kinds  []string       // of the users
	kindOf map[string]string
}

func readGolden(t *testing.T, cmd script.Command) *golden {
	g := &golden{kindOf: map[string]string{}}
	for line := range strings.Lines(cmd.Input) {
		f := strings.Fields(line)
		r, kind := berth.Resources{}, ""
		for _, w := range f[2:] {
			name, v, ok := strings.Cut(w, "=")
			require.True(t, ok, cmd.Pos)
			if name == "kind" {
				kind = v
				continue
			}
			x, err := strconv.ParseFloat(v, 64)
			require.NoError(t, err, cmd.Pos)
			r[name] = int64(x*1000 + 0.5)
		}
		if f[0] == "node" {
			g.nodes = append(g.nodes, berth.Node{ID: f[1], Capacity: r, Attributes: berth.Attributes{"kind": kind}})
			g.kindOf[f[1]] = kind
			continue
		}
		spec := berth.GroupSpec{Role: berth.Role(f[1]), Request: r}
		if kind != "" {
			spec.Rules = []berth.Constraint{constraints.Eq("kind", kind)}
		}
		g.groups, g.kinds = append(g.groups, berth.NewGroup(f[1], spec)), append(g.kinds, kind)
	}
	return g
}

// filler is a way to share nodes out: start gives what is free to users, and end takes a task back.
type filler interface {
	give() (started []string) // IDs of tasks, "user-number"
	end(task string)
}

func playGolden(t *testing.T, cmd script.Command) string {
	require.Equal(t, "fill", cmd.Name, cmd.Pos)
	churn := 0
	if v := cmd.Value("churn"); v != "" {
		var err error
		churn, err = strconv.Atoi(v)
		require.NoError(t, err, cmd.Pos)
	}
	var said []string
	who := map[string][]string{}
	for _, column := range []struct {
		name string
		of   filler
	}{{"mesos", newMesosFiller(readGolden(t, cmd))}, {"offers", newOffersFiller(t, readGolden(t, cmd), cmd.Value("strategy"))}, {"whole view", newWholeFiller(t, readGolden(t, cmd), cmd.Value("strategy"))}} {
		say := filled(column.of, readGolden(t, cmd), churn)
		if who[say] == nil {
			said = append(said, say)
		}
		who[say] = append(who[say], column.name)
	}
	var b strings.Builder
	for _, say := range said {
		fmt.Fprintf(&b, "%s: %s\n", strings.Join(who[say], ", "), say)
	}
	return b.String()
}

func filled(by filler, g *golden, churn int) string {
	rng := rand.New(rand.NewPCG(1, 15))
	running := by.give()
	sums, seen := make([]float64, len(g.groups)), 0
	note := func() {
		seen++
		for i, group := range g.groups {
			for _, id := range running {
				if strings.HasPrefix(id, group.Name()+"-") {
					sums[i]++
				}
			}
		}
	}
	if churn == 0 {
		note()
	}
	for step := range churn {
		slices.Sort(running)
		k := rng.IntN(len(running))
		by.end(running[k])
		running = append(slices.Delete(running, k, k+1), by.give()...)
		if step >= churn/2 {
			note()
		}
	}
	var out []string
	for i, group := range g.groups {
		out = append(out, fmt.Sprintf("%s %.3g", group.Name(), sums[i]/float64(seen)))
	}
	return strings.Join(out, ", ")
}

// mesosFiller is Mesos' allocator, and frameworks that use what they can of each offer and decline the rest for five seconds.
type mesosFiller struct {
	*golden
	a       *mesos.Allocator
	running map[string]mesosRun
	number  int
}

type mesosRun struct {
	framework, node string
	r               berth.Resources
}

func newMesosFiller(g *golden) *mesosFiller {
	m := &mesosFiller{golden: g, a: mesos.New(), running: map[string]mesosRun{}}
	for _, group := range g.groups {
		m.a.Join(group.Name(), group.Name(), false)
	}
	for _, n := range g.nodes {
		m.take(m.a.AddAgent(n.ID, mesos.Amounts(n.Capacity.Clone()), nil))
	}
	return m
}

func (m *mesosFiller) take(made []mesos.Offer) (started []string) {
	for _, o := range made {
		i := slices.IndexFunc(m.groups, func(g *berth.Group) bool { return g.Name() == o.Framework })
		r, rest := m.groups[i].Cost(), berth.Resources(o.Amounts).Clone()
		for (m.kinds[i] == "" || m.kinds[i] == m.kindOf[o.Agent]) && rest.Covers(r) {
			m.number++
			id := fmt.Sprintf("%s-%06d", o.Framework, m.number)
			m.running[id] = mesosRun{o.Framework, o.Agent, r}
			started = append(started, id)
			for name, q := range r {
				if rest[name] -= q; rest[name] == 0 {
					delete(rest, name)
				}
			}
		}
		m.a.Release(o.Framework, o.Agent, mesos.Amounts(rest), 5*time.Second)
	}
	return started
}

func (m *mesosFiller) give() (started []string) {
	if m.number > 0 && len(m.running) == m.number { // what was started as nodes came
		for id := range m.running {
			started = append(started, id)
		}
	}
	for range 2 * len(m.groups) { // who declines lets the next one have it
		started = append(started, m.take(m.a.Tick())...)
	}
	return started
}

func (m *mesosFiller) end(task string) {
	r := m.running[task]
	delete(m.running, task)
	m.a.Release(r.framework, r.node, mesos.Amounts(r.r), 0)
}

// stateFiller is a State with the nodes.
type stateFiller struct {
	*golden
	t      *testing.T
	state  *scheduler.State
	number int
}

func newStateFiller(t *testing.T, g *golden) stateFiller {
	return stateFiller{golden: g, t: t, state: newState(t, scheduler.StateConfig{}, g.nodes...)}
}

func (f *stateFiller) end(task string) { require.NoError(f.t, f.state.Release(task)) }

func (f *stateFiller) task(g *berth.Group) berth.Task {
	f.number++
	return g.Task(fmt.Sprintf("%s-%06d", g.Name(), f.number))
}

// offersFiller is an Exchange whose frameworks have declared their tasks and use all that they are offered.
type offersFiller struct {
	stateFiller
	x    *offers.Exchange
	subs []*offers.Subscription
}

func newOffersFiller(t *testing.T, g *golden, strategy string) *offersFiller {
	f := &offersFiller{stateFiller: newStateFiller(t, g)}
	var err error
	f.x, err = offers.NewExchange(f.state, offers.Config{Order: new(allocator.DRF).Turns()})
	require.NoError(t, err)
	order := offers.ByID
	if strategy == "aligned" {
		order = offers.Aligned
	}
	for _, group := range g.groups {
		sub, err := f.x.Subscribe(offers.Framework{Name: group.Name(), Role: group.Role(), Demand: []offers.Demand{{Group: group, Nodes: order}}})
		require.NoError(t, err)
		f.subs = append(f.subs, sub)
	}
	return f
}

func (f *offersFiller) give() (started []string) {
	_, err := f.x.Offer(f.t.Context())
	require.NoError(f.t, err)
	for i, sub := range f.subs {
		open, err := sub.Offers(f.t.Context())
		require.NoError(f.t, err)
		plan, ids := &cluster.Plan{}, []string{}
		for _, o := range open {
			ids = append(ids, o.ID)
			for rest := o.Resources.Clone(); rest.Covers(f.groups[i].Cost()); {
				task := f.task(f.groups[i])
				plan.Place(task, o.Node)
				started = append(started, task.ID)
				for name, q := range f.groups[i].Cost() {
					rest[name] -= q
				}
			}
		}
		out, err := sub.Accept(f.t.Context(), ids, plan, offers.Filter{})
		require.NoError(f.t, err)
		require.Empty(f.t, out.Refused)
	}
	return started
}

// wholeFiller is a Scheduler with an order, to which more of each user's tasks are handed in than there is room for.
type wholeFiller struct {
	stateFiller
	s *scheduler.Scheduler
}

func newWholeFiller(t *testing.T, g *golden, strategy string) *wholeFiller {
	f := &wholeFiller{stateFiller: newStateFiller(t, g)}
	cfg := scheduler.Config{Order: allocator.Fair{}}
	if strategy == "aligned" {
		cfg.Strategy = placement.Best(placement.DotProduct("cpu", "memory").Per(14_000, 14_000)) // what all nodes have
	}
	var err error
	f.s, err = scheduler.New(f.state, cfg)
	require.NoError(t, err)
	return f
}

func (f *wholeFiller) give() (started []string) {
	var tasks []berth.Task
	for _, g := range f.groups {
		for range 30 {
			tasks = append(tasks, f.task(g))
		}
	}
	out, err := f.s.Schedule(f.t.Context(), tasks...)
	require.NoError(f.t, err)
	for _, op := range out.Placed {
		started = append(started, op.Task.ID)
	}
	return started
}
