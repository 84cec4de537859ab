package scheduler

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// A history is a State that a string of bytes drives through everything that can happen to one. After
// every step a slow, obvious checker recomputes what must be true. The same bytes make the same history.
type history struct {
	t      testing.TB
	state  *State
	now    time.Time
	record []Command
	bytes  []byte
	groups []*berth.Group
	likely []int // the groups that tasks are of at present, if not any
	kept   []kept
	fuse   int      // the call of the host's code that panics, counted down; none at 0
	lit    int      // what fuse is to be during the next call of the State
	full   bool     // Record returns an error instead of panicking
	trace  []string // for the message of a failure
}

func newHistory(t testing.TB, bytes []byte) *history {
	h := &history{t: t, bytes: bytes, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), groups: historyGroups()}
	spec := h.groups[1].Spec()
	spec.Rules[1] = brittle{spec.Rules[1].(berth.NodeRule), h}
	h.groups[1] = berth.NewGroup("web", spec)
	var err error
	h.state, err = NewState(h.config(), h.node(0, 8), h.node(1, 4))
	require.NoError(t, err)
	return h
}

func (h *history) config() StateConfig {
	return StateConfig{
		Clock:     func() time.Time { h.burn(); return h.now },
		AssumeFor: 100 * time.Second,
		Record:    h.keep,
		Admit: func(a Admission) berth.Reason { // a limit of 9 cores for a role
			h.burn()
			if a.Role() == "eng/web" && a.Used("eng")["cpu"]+a.Cost()["cpu"] > limit {
				return berth.Reason{Subject: "limit of eng"}
			}
			return berth.Reason{}
		},
	}
}

const limit = 9000

func historyGroups() []*berth.Group {
	return []*berth.Group{
		berth.NewGroup("plain", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}),
		berth.NewGroup("web", berth.GroupSpec{
			Role: "eng/web", Request: berth.Resources{"cpu": 500, "memory": 1},
			Rules: []berth.Constraint{constraints.UniqueNode(), constraints.In("zone", "a", "b")},
		}),
		berth.NewGroup("gang", berth.GroupSpec{
			Role: "eng/batch", Mode: berth.Gang, GangSize: 2, Request: berth.Resources{"cpu": 2000},
			Rules: []berth.Constraint{constraints.MaxPer("zone", 2)},
		}),
		berth.NewGroup("gpu", berth.GroupSpec{
			Request: berth.Resources{"cpu": 100}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: 400}}, DynamicPorts: 1,
		}),
		berth.NewGroup("gpus", berth.GroupSpec{
			Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}, Ports: []berth.PortRange{{First: 80, Last: 80}},
		}),
		berth.NewGroup("logs", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 100}}),
		berth.NewGroup("old", berth.GroupSpec{Role: "eng", Request: berth.Resources{"cpu": 3000, "memory": 2}}),
		berth.NewGroup("plain", berth.GroupSpec{Request: berth.Resources{"cpu": 7}}), // of a name that is taken
		berth.NewGroup("broken", berth.GroupSpec{Request: berth.Resources{"cpu": -1}}),
		nil,
	}
}

const adopted = 6 // the group whose tasks are adopted: it has no rules that adoption could break

func (h *history) node(i, cores int) berth.Node {
	n := berth.Node{
		ID:         fmt.Sprintf("n%d", i),
		Capacity:   berth.Resources{"cpu": int64(cores) * 1000, "memory": 16},
		Attributes: berth.Attributes{"zone": string(rune('a' + i%3))},
		Ports:      []berth.PortRange{{First: 80, Last: 82}},
	}
	for range i % 3 {
		n.Devices = append(n.Devices, berth.Device{Class: "gpu"})
	}
	return n
}

// byte returns the next byte below n, 0 after the end.
func (h *history) byte(n int) int {
	if len(h.bytes) == 0 {
		return 0
	}
	b := h.bytes[0]
	h.bytes = h.bytes[1:]
	return int(b) % n
}

func (h *history) nodeID() string { return fmt.Sprintf("n%d", h.byte(6)) }
func (h *history) holdID() string { return fmt.Sprintf("h%d", h.byte(4)) }

func (h *history) task() berth.Task {
	g := h.groups[h.byte(len(h.groups))]
	if len(h.likely) > 0 {
		g = h.groups[h.likely[h.byte(len(h.likely))]]
	}
	return g.Task(h.taskIn(g))
}

func (h *history) taskIn(g *berth.Group) string {
	if g == nil {
		return "x"
	}
	if g.Mode() == berth.Daemon {
		return g.On(h.nodeID()).ID
	}
	return fmt.Sprintf("%s-%d", g.Name(), h.byte(5))
}

func (h *history) taskID() string {
	return h.taskIn(h.groups[h.byte(len(h.groups))])
}

func (h *history) hold() *berth.Hold {
	b := h.byte(16)
	hold := &berth.Hold{
		ID: h.holdID(), Owner: fmt.Sprintf("o%d", b%2), Node: h.nodeID(),
		Resources: berth.Resources{"cpu": int64(b) * 500, "memory": int64(b % 2)},
		Deadline:  h.now.Add(time.Duration(h.byte(8)*60-60) * time.Second),
		Lease:     berth.Lease(b / 12),
	}
	if b%5 == 0 { // exactly what a task takes
		hold.Resources = h.groups[b/5].Spec().Request
	}
	if b%4 == 0 {
		hold.Devices = []berth.DeviceShare{{Class: "gpu", ID: "0", Units: int64(h.byte(5)) * 250}}
		hold.Ports = []uint16{uint16(80 + h.byte(4))}
	}
	return hold
}

func (h *history) op() berth.Op {
	switch h.byte(12) {
	case 0:
		return berth.Op{Kind: berth.Take, Hold: h.hold()}
	case 1:
		return berth.Op{Kind: berth.Drop, ID: h.holdID()}
	case 2:
		return berth.Op{Kind: berth.Release, ID: h.taskID()}
	case 3:
		return berth.Op{Kind: berth.Evict, ID: h.taskID()}
	case 4:
		return berth.Op{Kind: berth.Evict, ID: h.taskID(), Hold: h.hold()}
	case 5:
		op := berth.Op{Kind: berth.Place, Task: h.task(), Node: h.nodeID(), From: fmt.Sprintf("o%d", h.byte(2))}
		if holds := slices.Collect(h.state.ledger.fork.Holds()); len(holds) > 0 {
			held := holds[h.byte(len(holds))]
			op.Node, op.From = held.Node, held.Owner
		}
		return op
	}
	op := berth.Op{Kind: berth.Place, Task: h.task(), Node: h.nodeID()}
	if _, node, daemon := strings.Cut(op.Task.ID, "@"); daemon && h.byte(8) > 0 {
		op.Node = node // else it is not its instance
	}
	return op
}

// run makes the whole history.
func (h *history) run() {
	for len(h.bytes) > 0 && !h.t.Failed() {
		h.step()
		h.sane()
	}
	for _, k := range h.kept {
		h.same("fork-never-leaks: a snapshot", k.picture, picture(k.snapshot, h.groups))
	}
	h.replay()
	h.restore()
}

func (h *history) step() {
	before, version := h.picture(), h.state.Version()
	if h.byte(3) == 0 {
		h.lapse(&before, &version) // for that is not taken back
		h.lit = 1 + h.byte(12)
		h.full = h.lit%2 == 0
	}
	var err error
	switch what := h.byte(16); what {
	default:
		h.commit()
		return
	case 5:
		n := h.node(h.byte(6), 1+h.byte(8))
		h.log("add %s", n.ID)
		h.host(func() { err = h.state.AddNodes(n) })
	case 6:
		n := h.node(h.byte(6), 1+h.byte(8))
		if h.byte(2) == 1 {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: "T4"})
		}
		h.log("update %s", n.ID)
		h.host(func() { err = h.state.UpdateNodes(n) })
	case 7:
		ids := []string{h.nodeID(), h.nodeID()}[:1+h.byte(2)]
		h.log("remove %v", ids)
		h.host(func() { err = h.state.RemoveNodes(ids...) })
	case 8:
		id := h.nodeID()
		if h.byte(2) == 0 {
			h.log("cordon %s", id)
			h.host(func() { err = h.state.Cordon(id) })
		} else {
			h.log("uncordon %s", id)
			h.host(func() { err = h.state.Uncordon(id) })
		}
	case 9:
		var running []Running
		for range 1 + h.byte(3) {
			g := h.groups[adopted]
			running = append(running, Running{Task: g.Task(h.taskIn(g)), Node: h.nodeID(), State: berth.TaskState(h.byte(7))})
		}
		h.log("adopt %v", running)
		h.host(func() { err = h.state.Adopt(running...) })
	case 10:
		ids := []string{h.taskID(), h.taskID()}[:1+h.byte(2)]
		h.log("confirm %v", ids)
		h.host(func() { err = h.state.Confirm(ids...) })
	case 11:
		ids := []string{h.taskID(), h.taskID()}[:1+h.byte(2)]
		h.log("stop %v", ids)
		h.host(func() { err = h.state.Stop(ids...) })
	case 12:
		ids := []string{h.taskID(), h.taskID()}[:1+h.byte(2)]
		h.log("release %v", ids)
		h.host(func() { err = h.state.Release(ids...) })
	case 13:
		if h.byte(3) == 0 {
			id := h.holdID()
			h.log("drop %s", id)
			h.host(func() { err = h.state.DropHold(id) })
			break
		}
		hold := h.hold()
		h.log("hold %v", hold)
		h.lapse(&before, &version)
		h.host(func() { err = h.state.Hold(*hold) })
	case 14:
		h.now = h.now.Add(time.Duration(h.byte(4)*20) * time.Second)
		if h.byte(2) == 0 {
			h.log("expire at %v", h.now)
			if h.host(func() { h.state.Expire() }) {
				return
			}
			if at, ok := h.state.NextExpiry(); ok && !at.After(h.now) {
				h.fail("something that ends at %v is still there at %v", at, h.now)
			}
			return
		}
		h.log("it is %v", h.now)
		return
	case 15:
		h.log("fork")
		h.fork()
		return
	}
	if err != nil {
		h.same("a failed call changed the state: "+err.Error(), before, h.picture())
		if h.state.Version() != version {
			h.fail("a failed call changed the version: %v", err)
		}
	}
}

// lapse ends the holds that are over, for they would end at the next call and disturb a comparison.
func (h *history) lapse(picture *string, version *berth.Version) {
	if _, err := h.state.Snapshot(context.Background()); err != nil {
		h.fail("%v", err)
	}
	*picture, *version = h.picture(), h.state.Version()
}

// commit commits a plan, compares what became of it with what should, and checks never-overcommit and
// release-undoes-assume.
func (h *history) commit() {
	snapshot, err := h.state.Snapshot(context.Background())
	require.NoError(h.t, err)
	p := &berth.Plan{Version: snapshot.Version()}
	plain := true
	ops := 1 + h.byte(5)
	if h.byte(2) == 0 {
		p.Together = []string{"gang", "plain"}[:1+h.byte(2)]
		h.likely = []int{0, 0, 2, 2, 1, adopted}
		ops += 3
	}
	for range ops {
		op := h.op()
		plain = plain && op.Kind == berth.Place && op.From == ""
		p.Ops = append(p.Ops, op)
	}
	h.likely = nil
	written := slices.Clone(p.Ops)
	before := h.picture()
	var out *berth.Outcome
	if h.host(func() { out, err = h.state.Commit(context.Background(), p) }) {
		return
	}
	require.NoError(h.t, err)
	h.log("commit %v together %v", p, p.Together)
	for _, r := range out.Refused {
		h.log("  refused %v", r)
	}
	if !slices.EqualFunc(written, p.Ops, func(a, b berth.Op) bool { return a.Grant == b.Grant && a.Task == b.Task }) {
		h.fail("the commit wrote to the plan")
	}
	after, err := h.state.Snapshot(context.Background())
	require.NoError(h.t, err)
	for n := range after.Nodes() {
		was, _ := snapshot.Node(n.ID())
		for name, free := range n.Free() {
			if free < 0 && free < was.Free()[name] {
				h.fail("never-overcommit: %s of %s went from %d to %d", name, n.ID(), was.Free()[name], free)
			}
		}
		for i, units := range n.FreeDevices() {
			if units < 0 && units < was.FreeDevices()[i] {
				h.fail("never-overcommit: device %d of %s went to %d", i, n.ID(), units)
			}
		}
	}
	done, refused := h.reference(snapshot, p)
	h.same("commit: placed", fmt.Sprint(done), fmt.Sprint(out.Placed))
	h.same("commit: refused", fmt.Sprint(refused), fmt.Sprint(out.Refused))
	if plain && h.byte(2) == 0 {
		var ids []string
		for _, op := range out.Placed {
			ids = append(ids, op.Task.ID)
		}
		require.NoError(h.t, h.state.Release(ids...))
		h.log("  release %v", ids)
		h.same("release-undoes-assume", before, h.picture())
	}
}

// reference says what must become of a plan, the slow and obvious way: it tries all operations in order and,
// whenever a placement of a group that goes together fails, begins again without the group.
func (h *history) reference(snapshot *cluster.Snapshot, p *berth.Plan) (done []berth.Op, refused []berth.Refusal) {
	type failure struct {
		at  int
		why berth.Reason
	}
	broken := map[string]failure{}
	last := map[string]int{}
	for i, op := range p.Ops {
		if op.Kind == berth.Place && op.Task.Group != nil {
			last[op.Task.Group.Name()] = i
		}
	}
again:
	done, refused = nil, nil
	f := snapshot.Fork()
	for i, op := range p.Ops {
		group := ""
		if op.Kind == berth.Place && op.Task.Group != nil && slices.Contains(p.Together, op.Task.Group.Name()) {
			group = op.Task.Group.Name()
		}
		if b, ok := broken[group]; ok && b.at == i {
			refused = append(refused, berth.Refusal{Op: op, Reason: b.why})
			continue
		} else if ok {
			refused = append(refused, berth.Refusal{Op: op, Reason: berth.Reason{Code: berth.GangIncomplete, Subject: group}})
			continue
		}
		granted, why := op, berth.Reason{}
		_, known := f.Task(op.ID)
		if (op.Kind == berth.Take || op.Kind == berth.Evict && known) && op.Hold.Err() == nil && !op.Hold.Deadline.After(h.now) {
			why = berth.Reason{Code: berth.Invalid, Subject: fmt.Sprintf("hold %q: its deadline has passed", op.Hold.ID)}
		} else if op.Kind == berth.Place && op.Task.Group == h.groups[1] && h.engUses(f)+500 > limit {
			why = berth.Reason{Code: berth.Denied, Subject: "limit of eng"}
		} else {
			granted, why = f.Apply(op)
		}
		if g := op.Task.Group; why.Code == berth.None && group != "" && g.Mode() == berth.Gang && last[group] == i {
			n := 0
			for t := range f.Group(group) {
				if t.Node != "" && t.State != berth.Stopping {
					n++
				}
			}
			if n < g.GangSize() {
				why = berth.Reason{Code: berth.GangIncomplete, Subject: fmt.Sprintf("%d of %d", n, g.GangSize())}
			}
		}
		switch {
		case why.Code == berth.None && op.Kind == berth.Place:
			done = append(done, granted)
		case why.Code == berth.None:
		case group != "":
			broken[group] = failure{i, why}
			goto again
		default:
			refused = append(refused, berth.Refusal{Op: op, Reason: why})
		}
	}
	return done, refused
}

// engUses adds up what the role eng and those below it use, the slow way.
func (h *history) engUses(f *cluster.Fork) int64 {
	var sum int64
	for n := range f.Nodes() {
		for t := range n.Tasks() {
			if strings.HasPrefix(string(t.Group.Role()), "eng") {
				sum += t.Group.Cost()["cpu"]
			}
		}
	}
	return sum
}

// fork keeps a snapshot, to see later that it never changed, and does things to a fork of it.
func (h *history) fork() {
	snapshot, err := h.state.Snapshot(context.Background())
	require.NoError(h.t, err)
	before := h.picture()
	if len(h.kept) < 8 {
		h.kept = append(h.kept, kept{snapshot, picture(snapshot, h.groups)})
	}
	f := snapshot.Fork()
	for range h.byte(6) {
		f.Apply(h.op())
	}
	// Whether the fork can do this does not matter, only that nobody else sees it.
	_ = f.RemoveNodes(h.nodeID())
	_ = f.AddNodes(h.node(h.byte(6), 3))
	h.same("fork-never-leaks: the state", before, h.picture())
}

// replay checks replay-equals-live.
func (h *history) replay() {
	cfg := h.config()
	cfg.Record = nil
	again, err := NewState(cfg)
	require.NoError(h.t, err)
	require.NoError(h.t, again.Replay(h.record...))
	h.equal("replay-equals-live", h.state, again)
}

// equal checks that two States are the same, but for their lineage.
func (h *history) equal(what string, state, again *State) {
	h.same(what, orders(state, h.groups), orders(again, h.groups))
	if a, b := state.Version().Seq, again.Version().Seq; a != b {
		h.fail("%s: version %d, then %d", what, a, b)
	}
	if a, b := state.Commands(), again.Commands(); a != b {
		h.fail("%s: %d commands, then %d", what, a, b)
	}
	items := func(d deadlines) (all []expiry) {
		d.tree.Ascend(func(e expiry) bool { all = append(all, e); return true })
		return all
	}
	if !slices.Equal(items(state.ledger.tasks), items(again.ledger.tasks)) || !slices.Equal(items(state.ledger.holds), items(again.ledger.holds)) {
		h.fail("%s: the deadlines differ", what)
	}
	if !maps.EqualFunc(state.ledger.used, again.ledger.used, maps.Equal) {
		h.fail("%s: %v is used, then %v", what, state.ledger.used, again.ledger.used)
	}
}

// orders is the picture of a State with what has an order besides: the tasks of each group and the holds.
func orders(s *State, groups []*berth.Group) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	snapshot := s.ledger.fork.Snapshot()
	var b strings.Builder
	b.WriteString(picture(snapshot, groups))
	for _, g := range groups {
		if g != nil {
			for t := range snapshot.Group(g.Name()) {
				fmt.Fprintf(&b, "%v %v %v;", t.Task, t.State, t.Grant)
			}
		}
	}
	for hold := range snapshot.Holds() {
		fmt.Fprintf(&b, "%+v;", hold)
	}
	for n := range snapshot.Nodes() {
		fmt.Fprintf(&b, "%#v;", n.Node())
	}
	return b.String()
}

func (h *history) picture() string {
	h.state.mu.Lock()
	defer h.state.mu.Unlock()
	return picture(h.state.ledger.fork.Snapshot(), h.groups)
}

// picture prints all there is to see of a snapshot.
func picture(s *cluster.Snapshot, groups []*berth.Group) string {
	var b strings.Builder
	for n := range s.Nodes() {
		fmt.Fprintf(&b, "%s cordoned %v: %v of %v free, devices %v\n", n.ID(), n.Cordoned(), n.Free(), n.Capacity(), n.FreeDevices())
		for t := range n.Tasks() {
			fmt.Fprintf(&b, "  %v %v %v %v\n", t.Task, t.State, t.Grant, t.Deadline)
		}
	}
	holds := slices.SortedFunc(s.Holds(), func(a, b berth.Hold) int { return strings.Compare(a.ID, b.ID) })
	for _, h := range holds {
		fmt.Fprintf(&b, "%s for %s on %s: %v %v %v until %v\n", h.ID, h.Owner, h.Node, h.Resources, h.Devices, h.Ports, h.Deadline)
	}
	for _, g := range groups {
		if g == nil {
			continue
		}
		for t := range s.Group(g.Name()) {
			if t.Node == "" {
				fmt.Fprintf(&b, "%v %v\n", t.Task, t.State)
			}
		}
	}
	return b.String()
}

// sane recomputes, from the tasks and holds alone, everything that the State keeps up to date.
func (h *history) sane() {
	l := h.state.ledger
	s := l.fork.Snapshot()
	tasks, used := 0, map[berth.Role]map[string]*big.Int{}
	deadlines := map[expiry]bool{}
	perNode := map[string]int{}
	perZone := map[string]int{}
	for n := range s.Nodes() {
		free, devices := n.Capacity(), make([]int64, len(n.Node().Devices))
		for i := range devices {
			devices[i] = berth.DeviceUnits
		}
		ports := map[uint16]string{}
		take := func(who string, cost berth.Resources, shares []berth.DeviceShare, taken []uint16) {
			for name, q := range cost {
				free[name] -= q
			}
			node := n.Node()
			for i, share := range fit.DevicesOf(&node, shares) {
				if i >= 0 {
					devices[i] -= share.Units
				}
			}
			for _, p := range taken {
				if other, ok := ports[p]; ok {
					h.fail("port %d of %s is both %s's and %s's", p, n.ID(), other, who)
				}
				ports[p] = who
			}
		}
		zone, _ := n.Attribute("zone")
		for t := range n.Tasks() {
			tasks++
			if v, ok := s.Task(t.ID); !ok || v.Node != n.ID() || v.State == berth.Lost {
				h.fail("%v is on %s, but is known as %v", t.Task, n.ID(), v)
			}
			grant := t.Grant
			if grant == nil {
				grant = &berth.Grant{}
			}
			cost, node := t.Group.Cost(), n.Node()
			for i, share := range fit.DevicesOf(&node, grant.Devices) {
				if i < 0 { // what the node does not have is not taken of it
					cost["gpu"] -= share.Units
				}
			}
			take(t.ID, cost, grant.Devices, grant.Ports)
			if !t.Deadline.IsZero() {
				deadlines[expiry{store.DeadlineOf(t.Deadline), "task " + t.ID}] = true
				if t.State != berth.Assumed {
					h.fail("%v is %v and expires", t.Task, t.State)
				}
			}
			for role := t.Group.Role(); ; role = role.Parent() {
				if used[role] == nil {
					used[role] = map[string]*big.Int{}
				}
				for name, q := range t.Group.Cost() {
					if used[role][name] == nil {
						used[role][name] = new(big.Int)
					}
					used[role][name].Add(used[role][name], big.NewInt(q))
				}
				if role == "" {
					break
				}
			}
			switch t.Group.Name() {
			case "web":
				if perNode[n.ID()]++; perNode[n.ID()] > 1 || zone.String() == "c" {
					h.fail("hard-constraints-hold: %v on %s", t.Task, n.ID())
				}
			case "gang":
				if perZone[zone.String()]++; perZone[zone.String()] > 2 {
					h.fail("hard-constraints-hold: %v is one too many in zone %v", t.Task, zone)
				}
			}
		}
		for hold := range s.Holds() {
			if hold.Node != n.ID() || hold.Lease == berth.Optimistic {
				continue
			}
			cost, node := hold.Resources.Clone(), n.Node()
			for i, share := range fit.DevicesOf(&node, hold.Devices) {
				if i >= 0 {
					cost["gpu"] += share.Units
				}
			}
			take(hold.ID, cost, hold.Devices, hold.Ports)
		}
		if !n.Free().Equal(free) {
			h.fail("%s has %v free, its tasks and holds leave %v", n.ID(), n.Free(), free)
		}
		if !slices.Equal(n.FreeDevices(), devices) {
			h.fail("%s has devices %v free, its tasks and holds leave %v", n.ID(), n.FreeDevices(), devices)
		}
	}
	for hold := range s.Holds() {
		if _, ok := s.Node(hold.Node); !ok {
			h.fail("hold %s is on no node", hold.ID)
		}
		deadlines[expiry{store.DeadlineOf(hold.Deadline), "hold " + hold.ID}] = true
	}
	for _, g := range h.groups[:adopted+1] {
		for t := range s.Group(g.Name()) {
			if t.Node == "" {
				tasks++
				if t.State != berth.Lost {
					h.fail("%v is on no node and %v", t.Task, t.State)
				}
			}
		}
	}
	if tasks != s.Tasks() {
		h.fail("%d tasks, but %d are counted", tasks, s.Tasks())
	}
	h.saneLedger(l, deadlines, used)
}

func (h *history) saneLedger(l *ledger, want map[expiry]bool, used map[berth.Role]map[string]*big.Int) {
	got := map[expiry]bool{}
	l.tasks.tree.Ascend(func(e expiry) bool { got[expiry{e.at, "task " + e.id}] = true; return true })
	l.holds.tree.Ascend(func(e expiry) bool { got[expiry{e.at, "hold " + e.id}] = true; return true })
	if !maps.Equal(got, want) {
		h.fail("deadlines are %v, those of tasks and holds %v", got, want)
	}
	for role, sums := range used {
		for name, sum := range sums {
			if sum.Cmp(new(big.Int).SetUint64(l.used[role][name].lo)) != 0 {
				h.fail("role %q uses %v %s, its tasks %v", role, l.used[role][name], name, sum)
			}
		}
		if len(sums) != len(l.used[role]) {
			h.fail("role %q uses %v, its tasks %v", role, l.used[role], sums)
		}
	}
	for role := range l.used {
		if _, ok := used[role]; !ok {
			h.fail("role %q uses %v without tasks", role, l.used[role])
		}
	}
}

func (h *history) log(format string, args ...any) {
	h.trace = append(h.trace, fmt.Sprintf(format, args...))
}

func (h *history) same(what, want, got string) {
	if want != got {
		h.fail("%s\nbefore:\n%safter:\n%s", what, want, got)
	}
}

func (h *history) fail(format string, args ...any) {
	h.t.Helper()
	h.t.Fatalf("%s\nafter:\n%s", fmt.Sprintf(format, args...), strings.Join(h.trace, "\n"))
}

// TestHistories checks never-overcommit, release-undoes-assume, fork-never-leaks, replay-equals-live,
// hard-constraints-hold, gang-all-or-nothing and host-code-tears-nothing on random histories.
func TestHistories(t *testing.T) {
	runs := uint64(400)
	if testing.Short() {
		runs = 50
	}
	for seed := range runs {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			newHistory(t, randomBytes(seed, 1500)).run()
		})
	}
}

func randomBytes(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	var b []byte
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
	}
	return b
}

func FuzzState(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomBytes(seed, 200))
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		newHistory(t, bytes[:min(len(bytes), 2000)]).run()
	})
}
