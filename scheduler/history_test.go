package scheduler

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
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
	if i == 4 {
		n.Reserved = map[berth.Role]berth.Resources{"eng": {"cpu": int64(cores) * 300, "memory": 3}, "eng/web": {"cpu": int64(cores) * 200}}
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
		Role:      h.role(),
	}
	if b%5 == 0 { // exactly what a task takes
		hold.Resources = h.groups[b/5].Spec().Request
	}
	if b%4 == 0 {
		hold.Devices = []berth.DeviceShare{{Class: "gpu", ID: "0", Units: int64(h.byte(5)) * 250}}
		hold.Ports = []berth.Port{{Number: uint16(80 + h.byte(4))}}
	}
	if b%4 == 3 && hold.Role != "" {
		hold.Lease, hold.Deadline = berth.Reserved, time.Time{}
		if b > 4 {
			hold.Owner = ""
		}
	}
	return hold
}

func (h *history) role() berth.Role {
	return []berth.Role{"", "eng", "eng/web", "eng/batch", "ops"}[h.byte(5)]
}

// quota is one that the history's tasks soon come up against, or none.
func (h *history) quota() berth.Quota {
	q := berth.Quota{Role: h.role()}
	for i, name := range []string{"cpu", "memory", "gpu"} {
		if unit := []int64{1000, 1, 400}[i]; h.byte(3) == 0 {
			if q.Limits == nil {
				q.Limits = berth.Resources{}
			}
			q.Limits[name] = int64(h.byte(8)) * unit
		}
	}
	if h.byte(4) == 0 {
		q.Guarantees = berth.Resources{"cpu": int64(h.byte(4)) * 1000}
	}
	return q
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
		if holds := slices.Collect(h.state.live.fork.Holds()); len(holds) > 0 {
			held := holds[h.byte(len(holds))]
			op.Node, op.From = held.Node, held.Owner
		}
		op.Owner = op.From
		return op
	}
	op := berth.Op{Kind: berth.Place, Task: h.task(), Node: h.nodeID(), Owner: []string{"", "", "o1", "o7"}[h.byte(4)]}
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
	switch what := h.byte(20); what {
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
			running = append(running, Running{Task: g.Task(h.taskIn(g)), Node: h.nodeID(), State: berth.TaskState(h.byte(7)), Owner: []string{"", "o1"}[h.byte(2)]})
		}
		h.log("adopt %v", running)
		h.host(func() { err = h.state.Adopt(running...) })
	case 18:
		var running []Running
		for range 1 + h.byte(3) {
			running = append(running, Running{Task: h.groups[adopted].Task(h.taskID()), Node: h.nodeID(), State: berth.TaskState(h.byte(7))})
		}
		h.log("readopt %v", running)
		done := !h.host(func() { err = h.state.Readopt(running...) }) && err == nil
		for _, r := range running {
			if t, ok := h.state.Task(r.Task.ID); done && (!ok || t.Node != r.Node || !t.Group.Equal(r.Task.Group)) {
				h.fail("%v is not what it was said to be", r)
			}
		}
	case 19:
		ids, until := []string{h.taskID(), h.taskID()}[:1+h.byte(2)], h.now.Add(time.Duration(h.byte(5)-1)*20*time.Second)
		if h.byte(4) == 0 {
			until = time.Time{}
		}
		h.log("renew %v until %v", ids, until)
		done := !h.host(func() { err = h.state.Renew(until, ids...) }) && err == nil
		for _, id := range ids {
			if t, ok := h.state.Task(id); done && (!ok || t.State != berth.Assumed || !t.Deadline.Equal(until)) {
				h.fail("%s is not renewed: %v", id, t)
			}
		}
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
	case 16, 17:
		quotas := []berth.Quota{h.quota(), h.quota()}[:1+h.byte(2)]
		h.log("quotas %v", quotas)
		h.host(func() { err = h.state.SetQuotas(quotas...) })
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
func (h *history) lapse(picture *string, version *cluster.Version) {
	if _, err := h.state.Snapshot(context.Background()); err != nil {
		h.fail("%v", err)
	}
	*picture, *version = h.picture(), h.state.Version()
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
	items := func(d deadlines) []expiry { return slices.Collect(d.all()) }
	if !slices.Equal(items(state.live.tasks), items(again.live.tasks)) || !slices.Equal(items(state.live.holds), items(again.live.holds)) {
		h.fail("%s: the deadlines differ", what)
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
