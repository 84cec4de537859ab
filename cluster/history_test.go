package cluster_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// history runs random or given commands against forks and their models at once, and compares them.
type history struct {
	t     *testing.T
	pick  func(n int) int // a number below n
	kinds []*kind
	lines []*line
	past  []moment
	done  map[string]int // how often each command succeeded, to know that a run tested something
}

// line is a fork and what it must be.
type line struct {
	fork  *cluster.Fork
	model *model
	saves []save
}

// save is a savepoint of a line and what it goes back to.
type save struct {
	to    cluster.Savepoint
	model *model
}

// moment is a snapshot and what it must print for ever.
type moment struct {
	snapshot *cluster.Snapshot
	model    *model
	text     string
}

var kindNames = []string{"g0", "g1", "g2", "g3", "g4"}

func newHistory(t *testing.T, pick func(int) int) *history {
	h := &history{t: t, pick: pick, done: map[string]int{}}
	for range 10 {
		k := h.kind()
		h.kinds = append(h.kinds, k, newKind(k.group.Name(), kind{zone: k.zone, perZone: k.perZone, perNode: k.perNode, skew: k.skew, bears: k.bears, spec: h.bare(k)}))
	}
	h.lines = []*line{{fork: cluster.NewFork(), model: newModel()}}
	for range 3 {
		h.addNodes(h.lines[0])
	}
	return h
}

// bare is a kind's spec before its rules were added, so that an equal group can be made.
func (h *history) bare(k *kind) berth.GroupSpec {
	s := k.group.Spec()
	s.Rules = nil
	return s
}

func (h *history) one(in int) bool { return h.pick(in) == 0 }

func of[T any](h *history, from ...T) T { return from[h.pick(len(from))] }

func (h *history) kind() *kind {
	k := kind{spec: berth.GroupSpec{Request: berth.Resources{}}}
	if !h.one(3) {
		k.spec.Request["cpu"] = int64(h.pick(4)) * 100
	}
	if h.one(3) {
		k.spec.Request["memory"] = of(h, int64(1<<30), 1<<30+1, math.MaxInt64, math.MaxInt64/2)
	}
	if h.one(12) {
		k.spec.Request["fpga"] = 1
	}
	if h.one(3) {
		d := berth.DeviceRequest{Class: "gpu", Count: 1 + h.pick(2)}
		if h.one(2) {
			d = berth.DeviceRequest{Class: "gpu", Share: of(h, int64(300), 500, 1000)}
		}
		if h.one(2) {
			d.Models = []string{"A"}
		}
		k.spec.Devices = append(k.spec.Devices, d)
		for h.one(2) {
			k.spec.Devices = append(k.spec.Devices, h.request())
		}
	} else if h.one(8) {
		k.spec.Request[of(h, "gpu", "gpu.memory")] = 400 // of the class, but no device
	}
	if h.one(10) {
		k.spec.Devices = append(k.spec.Devices, berth.DeviceRequest{Class: "tpu", Share: 700})
	}
	if h.one(4) {
		k.spec.Ports = of(h, []berth.PortRange{{First: 81, Last: 81}}, []berth.PortRange{{First: 82, Last: 83}, {First: 80, Last: 80}},
			[]berth.PortRange{{First: 80, Last: 81, Protocol: berth.UDP}, {First: 81, Last: 81, Protocol: berth.TCP}},
			[]berth.PortRange{{First: 81, Last: 81, Protocol: berth.TCP, Address: "10.0.0.1"}, {First: 82, Last: 82, Address: "public"}})
	}
	if h.one(4) {
		k.spec.DynamicPorts = 1 + h.pick(2)
	}
	if h.one(4) {
		k.zone = of(h, "a", "b")
	}
	if h.one(4) {
		k.perZone = 1 + h.pick(2)
	}
	if h.one(4) {
		k.perNode = 1 + h.pick(2)
	}
	if h.one(4) {
		k.skew = 1 + h.pick(2)
	}
	if h.one(2) {
		k.bears = of(h, "old", "new")
	}
	if h.one(6) {
		k.spec.Mode = berth.Daemon
	}
	return newKind(of(h, kindNames...), k)
}

// request is one more request for a gpu, of whatever kind.
func (h *history) request() berth.DeviceRequest {
	d := berth.DeviceRequest{Class: "gpu"}
	switch h.pick(4) {
	case 0:
		d.Count = 1
	case 1:
		d.Share = of(h, int64(1), 300, 500)
	case 2:
		d.Share, d.Amounts = of(h, int64(1), 300), berth.Resources{"memory": int64(h.pick(6))}
	default:
		d.Amounts = berth.Resources{"memory": int64(h.pick(6)), "cores": 2}
	}
	if h.one(3) {
		d.Models = [][]string{{"A"}, {"B"}, {"B", "A"}}[h.pick(3)]
	}
	if h.one(3) {
		d.Prefer = map[string]int64{"A": int64(h.pick(2)*4 - 2), "B": 1}
	}
	return d
}

func (h *history) nodeID() string { return of(h, "n0", "n1", "n2", "n3", "n4", "n5") }
func (h *history) taskID() string { return fmt.Sprintf("t%d", h.pick(24)) }
func (h *history) holdID() string { return of(h, "h0", "h1", "h2", "h3", "h4") }
func (h *history) owner() string  { return of(h, "fa", "fb") }

func (h *history) node() berth.Node {
	n := berth.Node{ID: h.nodeID(), Capacity: berth.Resources{"cpu": int64(h.pick(12)) * 100}}
	if h.one(2) {
		n.Capacity["memory"] = of(h, int64(2<<30), 3<<30, math.MaxInt64, 0)
	}
	if !h.one(4) {
		n.Attributes = berth.Attributes{"zone": of(h, "a", "b", "c")}
	}
	if h.one(4) {
		n.Taints = append(n.Taints, berth.Taint{Key: of(h, "old", "new"), Effect: of(h, berth.NoSchedule, berth.PreferNoSchedule, berth.NoExecute)})
	}
	for range h.pick(4) {
		n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: of(h, "A", "B"), Unhealthy: h.one(6)})
	}
	for i := range n.Devices {
		if h.one(2) {
			n.Devices[i].Capacity = of(h, berth.Resources{"memory": 10}, berth.Resources{"memory": 7, "cores": 3}, berth.Resources{"cores": 0, "memory": 3})
		}
	}
	if h.one(2) { // by name, in any order
		for i := range n.Devices {
			n.Devices[i].ID = []string{"a", "b", "c", "1", "a", "b"}[i+h.pick(2)*len(n.Devices)%3]
		}
		if n.Err() != nil {
			for i := range n.Devices {
				n.Devices[i].ID = ""
			}
		}
	}
	if h.one(6) {
		n.Devices = append(n.Devices, berth.Device{Class: "tpu"})
	}
	if h.one(16) {
		n.Capacity["fpga"] = 2
	}
	if !h.one(3) {
		n.Ports = of(h, []berth.PortRange{{First: 80, Last: 83}}, []berth.PortRange{{First: 82, Last: 84}, {First: 80, Last: 80}},
			[]berth.PortRange{{First: 80, Last: 81, Protocol: berth.UDP}, {First: 80, Last: 82, Protocol: berth.TCP}, {First: 83, Last: 84}},
			[]berth.PortRange{{First: 80, Last: 83, Address: "10.0.0.1"}, {First: 82, Last: 82, Address: "public"}})
	}
	n.Unschedulable = h.one(12)
	return n
}

func (h *history) share() berth.DeviceShare {
	s := berth.DeviceShare{Class: "gpu", ID: of(h, "0", "1", "2", "a", "b"), Units: of(h, int64(300), 500, 1000)}
	if h.one(8) {
		s.Class = of(h, "tpu", "fpga", "")
	}
	if h.one(2) {
		s.Amounts = of(h, berth.Resources{"memory": int64(1 + h.pick(10))}, berth.Resources{"memory": 3, "cores": 1}, berth.Resources{"memory": 10}, berth.Resources{"heat": 2})
		if h.one(4) {
			s.Units = 0
		}
	}
	return s
}

func (h *history) grant() *berth.Grant {
	if h.one(2) {
		return nil
	}
	g := new(berth.Grant)
	for range h.pick(3) {
		g.Devices = append(g.Devices, h.share())
	}
	for range h.pick(3) {
		g.Ports = append(g.Ports, h.port(80+h.pick(6)))
	}
	return g
}

func (h *history) port(number int) berth.Port {
	p := berth.Port{Number: uint16(number)}
	if h.one(3) {
		p.Protocol = of(h, berth.TCP, berth.UDP)
	}
	if h.one(4) {
		p.Address = of(h, "10.0.0.1", "public")
	}
	return p
}

func (h *history) hold() *berth.Hold {
	c := &berth.Hold{ID: h.holdID(), Owner: h.owner(), Node: h.nodeID(), Deadline: time.Unix(int64(1+h.pick(9)), 0).UTC(),
		Resources: berth.Resources{"cpu": int64(h.pick(5)) * 100}, Lease: of(h, berth.Exclusive, berth.Exclusive, berth.Optimistic)}
	if h.one(3) {
		c.Resources["memory"] = of(h, int64(1<<30), 1<<30+1, math.MaxInt64)
	}
	if h.one(2) {
		c.Devices = append(c.Devices, h.share())
		c.Devices[0].Class = "gpu"
	}
	if h.one(2) {
		first := 80 + h.pick(4)
		c.Ports = []berth.Port{h.port(first + 1), h.port(first)}[h.pick(2):]
	}
	switch h.pick(24) {
	case 0:
		c.Owner = ""
	case 1:
		c.Deadline = time.Time{}
	case 2:
		c.Resources["gpu"] = 300
	case 3:
		return nil
	}
	return c
}

// step does one command on one line.
func (h *history) step() {
	l := h.lines[h.pick(len(h.lines))]
	switch c := h.pick(36); {
	case c < 2:
		h.addNodes(l)
	case c < 4:
		h.updateNodes(l)
	case c == 4:
		h.removeNodes(l)
	case c == 5:
		h.cordon(l)
	case c < 14:
		h.place(l)
	case c < 19:
		h.take(l)
	case c == 19:
		h.drop(l)
	case c < 22:
		h.release(l)
	case c < 24:
		h.evict(l)
	case c < 26:
		h.adopt(l)
	case c == 26 || c == 33:
		h.mark(l)
	case c == 27:
		s := l.fork.Snapshot()
		h.past = append(h.past, moment{s, l.model.clone(), dump(s)})
	case c == 28 && len(h.past) > 0:
		m := h.past[h.pick(len(h.past))]
		next := &line{fork: m.snapshot.Fork(), model: m.model.clone()}
		if len(h.lines) < 4 {
			h.lines = append(h.lines, next)
		} else {
			h.lines[h.pick(len(h.lines))] = next
		}
	case c == 29:
		h.garbage(l)
	case c < 32:
		l.saves = append(l.saves, save{l.fork.Savepoint(), l.model.clone()})
	case c == 32 && len(l.saves) > 0:
		h.rollback(l)
	default:
		h.explain(l)
	}
	// Where a command was refused the model is as it was, so this also says that nothing changed.
	require.Equal(h.t, l.model.dump(), dump(l.fork), "the fork is not what its model is")
}

// rollback goes back to one of a line's savepoints, the last ones more often.
func (h *history) rollback(l *line) {
	k := len(l.saves) - 1 - min(h.pick(len(l.saves)), h.pick(len(l.saves)))
	require.NoError(h.t, l.fork.Rollback(l.saves[k].to))
	l.model = l.saves[k].model.clone()
	for _, later := range l.saves[k+1:] {
		if later.to != l.saves[k].to { // where nothing was done in between they are one
			require.Error(h.t, l.fork.Rollback(later.to))
		}
	}
	l.saves = l.saves[:k+1]
	require.Error(h.t, l.fork.Rollback(cluster.Savepoint{}))
	for _, other := range h.lines {
		if other != l {
			require.Error(h.t, other.fork.Rollback(l.saves[k].to))
		}
	}
	h.done["rollback"]++
}

// versionsTell checks that two snapshots of one version have the same tasks on the same nodes, with the same free.
func (h *history) versionsTell() {
	texts := map[cluster.Version]string{}
	for _, m := range h.past {
		text := ""
		for n := range m.snapshot.Nodes() {
			var tasks []string
			for t := range n.Tasks() {
				tasks = append(tasks, t.ID)
			}
			slices.Sort(tasks)
			text += fmt.Sprintln(n.ID(), tasks, plain(n.Free()))
		}
		if before, known := texts[m.snapshot.Version()]; known {
			require.Equal(h.t, before, text, "two states of one version")
		}
		texts[m.snapshot.Version()] = text
	}
}

// neverLeaks compares every snapshot with what it printed when it was taken.
func (h *history) neverLeaks() {
	for _, m := range h.past {
		require.Equal(h.t, m.text, dump(m.snapshot), "a snapshot changed")
		require.Equal(h.t, m.text, dump(m.snapshot.Fork()), "a fork differs from its snapshot")
	}
	for _, l := range h.lines {
		require.Equal(h.t, l.model.dump(), dump(l.fork), "a fork was changed by another")
	}
}

func TestHistories(t *testing.T) {
	runs, steps := 80, 400
	if testing.Short() {
		runs = 10
	}
	done := map[string]int{}
	for run := range runs {
		seed := uint64(run)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			h := newHistory(t, rand.New(rand.NewPCG(seed, 0)).IntN)
			for range steps {
				h.step()
			}
			h.neverLeaks()
			h.versionsTell()
			for c, n := range h.done {
				done[c] += n
			}
		})
	}
	for _, c := range []string{"add", "update", "remove", "cordon", "place", "draw", "take", "drop", "release", "evict", "evict to hold", "adopt", "adopt far beyond", "mark", "fits", "rollback"} {
		assert.GreaterOrEqual(t, done[c], runs/4, "%s hardly ever succeeded: the histories test too little of it", c)
	}
}
