package cluster_test

import (
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

func (h *history) addNodes(l *line) {
	nodes := []berth.Node{h.node(), h.node()}[h.pick(2):]
	ok := len(nodes) == 1 || nodes[0].ID != nodes[1].ID
	for _, n := range nodes {
		ok = ok && l.model.nodes[n.ID] == nil
	}
	err := l.fork.AddNodes(nodes...)
	require.Equal(h.t, ok, err == nil, "%v", err)
	if ok {
		for _, n := range nodes {
			l.model.nodes[n.ID] = &modelNode{Node: n}
		}
		h.done["add"]++
	} else {
		require.ErrorIs(h.t, err, berth.ErrNodeExists)
	}
}

func (h *history) updateNodes(l *line) {
	nodes := []berth.Node{h.node(), h.node()}[h.pick(2):]
	ok := true
	for _, n := range nodes {
		ok = ok && l.model.nodes[n.ID] != nil
	}
	err := l.fork.UpdateNodes(nodes...)
	require.Equal(h.t, ok, err == nil, "%v", err)
	if ok {
		for _, n := range nodes {
			l.model.nodes[n.ID].Node = n
		}
		h.done["update"]++
	}
}

func (h *history) removeNodes(l *line) {
	ids := []string{h.nodeID(), h.nodeID()}[h.pick(2):]
	ok := true
	for _, id := range ids {
		ok = ok && l.model.nodes[id] != nil
	}
	err := l.fork.RemoveNodes(ids...)
	require.Equal(h.t, ok, err == nil, "%v", err)
	if !ok {
		return
	}
	h.done["remove"]++
	for _, id := range ids {
		delete(l.model.nodes, id)
		for _, t := range l.model.tasks {
			if t.node == id {
				t.node, t.state, t.deadline = "", berth.Lost, 0
			}
		}
		maps.DeleteFunc(l.model.holds, func(_ string, o *modelHold) bool { return o.Node == id })
	}
}

func (h *history) cordon(l *line) {
	id, cordon := h.nodeID(), h.one(2)
	set := l.fork.Uncordon
	if cordon {
		set = l.fork.Cordon
	}
	err := set(id)
	require.Equal(h.t, l.model.nodes[id] != nil, err == nil, "%v", err)
	if err == nil {
		l.model.nodes[id].cordoned = cordon
		h.done["cordon"]++
	}
}

func (h *history) place(l *line) {
	m, k := l.model, h.kinds[h.pick(len(h.kinds))]
	op := berth.Op{Kind: berth.Place, Task: k.group.Task(h.taskID()), Node: h.nodeID()}
	n := m.nodes[op.Node]
	if h.one(2) {
		op.From = h.owner()
		if ids := sorted(m.holds); len(ids) > 0 && !h.one(4) {
			hold := m.holds[ids[h.pick(len(ids))]]
			op.From, op.Node = hold.Owner, hold.Node
			n = m.nodes[op.Node]
		}
	}
	switch {
	case h.one(4):
		op.Grant = h.grant()
	case h.one(4) && n != nil:
		op.Grant, _ = k.choose(n, m.devices(op.Node), m.freePorts(op.Node))
	}
	after, grant, why := h.placed(m, k, op)
	got, reason := l.fork.Apply(op)
	require.Equal(h.t, len(why) == 0, reason.Code == berth.None, "%v: got %v, want %v", op, reason, why)
	if len(why) > 0 {
		if why[berth.Reason{Code: berth.Invalid}] { // a grant at fault has several words for it
			return
		}
		codes := map[berth.Code]bool{}
		for r := range why {
			codes[r.Code] = true
		}
		require.True(h.t, codes[reason.Code], "%v: got %v, want one of %v", op, reason, why)
		return
	}
	if op.From == "" {
		h.done["place"]++
	} else {
		h.done["draw"]++
	}
	require.Equal(h.t, grant.String(), got.Grant.String(), "%v", op)
	for id := range m.nodes { // never-overcommit
		require.False(h.t, m.worse(after, id), "%v overcommits %s", op, id)
	}
	l.model = after
}

// placed returns the model after a Place, and the grant, or why not.
func (h *history) placed(m *model, k *kind, op berth.Op) (*model, *berth.Grant, reasons) {
	code := func(c berth.Code) reasons { return reasons{{Code: c}: true} }
	n := m.nodes[op.Node]
	switch {
	case m.tasks[op.Task.ID] != nil:
		return nil, nil, code(berth.TaskExists)
	case n == nil:
		return nil, nil, code(berth.UnknownNode)
	}
	if why := m.kept(k, op.Node); len(why) > 0 {
		return nil, nil, why
	}
	if op.From != "" {
		after, grant, c := m.drawn(k, op.Task.ID, op.Node, op.From, op.Grant)
		switch {
		case after != nil:
			return after, grant, nil
		case c == berth.NoDevice: // of devices and ports, whichever comes first, or of the grant
			return nil, nil, code(berth.Invalid)
		}
		return nil, nil, code(c)
	}
	units, ports := m.devices(op.Node), m.freePorts(op.Node)
	grant, why := k.choose(n, units, ports)
	if !k.grants() {
		grant = nil
	} else if op.Grant != nil {
		if grant, why = op.Grant, nil; !k.valid(n, grant, units, ports) {
			return nil, nil, code(berth.Invalid)
		}
	}
	all := maps.Clone(m.scalars(k, op.Node))
	maps.Copy(all, why)
	if len(all) > 0 {
		return nil, nil, all
	}
	after := m.clone()
	after.add(k, op.Task.ID, op.Node, grant, berth.Assumed)
	return after, grant, nil
}

func (h *history) take(l *line) {
	hold := h.hold()
	after := l.model.clone()
	why := after.take(hold)
	_, reason := l.fork.Apply(berth.Op{Kind: berth.Take, Hold: hold})
	h.sameCode(why, reason)
	if len(why) == 0 {
		require.False(h.t, l.model.worse(after, hold.Node))
		l.model = after
		h.done["take"]++
		clear(hold.Resources) // what was handed in is the caller's to change
		clear(hold.Ports)
		clear(hold.Devices)
	}
}

func (h *history) sameCode(why reasons, got berth.Reason) {
	h.t.Helper()
	if len(why) == 0 {
		require.Equal(h.t, berth.Reason{}, got)
		return
	}
	require.True(h.t, why[berth.Reason{Code: got.Code}], "got %v, want one of %v", got, why)
}

func (h *history) drop(l *line) {
	id := h.holdID()
	_, reason := l.fork.Apply(berth.Op{Kind: berth.Drop, ID: id})
	require.Equal(h.t, l.model.holds[id] != nil, reason.Code == berth.None)
	if reason.Code == berth.None {
		l.model = l.model.clone()
		delete(l.model.holds, id)
		h.done["drop"]++
	}
}

func (h *history) release(l *line) {
	id := h.taskID()
	_, reason := l.fork.Apply(berth.Op{Kind: berth.Release, ID: id})
	require.Equal(h.t, l.model.tasks[id] != nil, reason.Code == berth.None)
	if reason.Code == berth.None {
		l.model = l.model.clone()
		delete(l.model.tasks, id)
		h.done["release"]++
	}
}

func (h *history) evict(l *line) {
	op := berth.Op{Kind: berth.Evict, ID: h.taskID()}
	if ids := sorted(l.model.tasks); len(ids) > 0 && !h.one(4) {
		op.ID = ids[h.pick(len(ids))]
	}
	t := l.model.tasks[op.ID]
	if h.one(2) {
		op.Hold = h.hold()
		if t != nil && op.Hold != nil && t.node != "" && !h.one(4) {
			op.Hold.Node = t.node
		}
	}
	var why reasons
	after := l.model.clone()
	delete(after.tasks, op.ID)
	switch {
	case t == nil:
		why = reasons{{Code: berth.UnknownTask}: true}
	case op.Hold != nil:
		why = after.take(op.Hold)
	}
	_, reason := l.fork.Apply(op)
	h.sameCode(why, reason)
	if len(why) == 0 {
		l.model = after
		h.done["evict"]++
		if op.Hold != nil {
			h.done["evict to hold"]++
		}
	}
}

func (h *history) adopt(l *line) {
	m, k, id, node, grant := l.model, h.kinds[h.pick(len(h.kinds))], h.taskID(), h.nodeID(), h.grant()
	state := of(h, berth.Assumed, berth.Running, berth.Running, berth.Stopping, berth.Orphan, berth.Lost, berth.Orphan+1)
	n := m.nodes[node]
	ok := n != nil && m.tasks[id] == nil && state != berth.Lost && state <= berth.Orphan
	if ok && grant != nil {
		seen := map[string]bool{}
		for _, s := range grant.Devices { // of devices that the node does not have too: they may have gone
			name := s.Class + "/" + s.ID
			ok = ok && s.Class != "" && !seen[name]
			seen[name] = true
		}
		for i, p := range grant.Ports {
			meets := func(q berth.Port) bool { return meet(p, q) }
			ok = ok && p.Number > 0 && !slices.ContainsFunc(grant.Ports[:i], meets)
		}
	}
	if ok {
		taken := m.taken(node, true)
		for name, q := range k.needs() {
			ok = ok && !overflows(taken[name], q)
		}
	}
	err := l.fork.Adopt(k.group.Task(id), node, grant, state)
	require.Equal(h.t, ok, err == nil, "%v", err)
	if ok {
		l.model = m.clone()
		l.model.add(k, id, node, grant, state)
		h.done["adopt"]++
		for _, f := range l.model.free(node) {
			if f.Cmp(big.NewInt(math.MinInt64/2)) < 0 {
				h.done["adopt far beyond"]++
			}
		}
	}
}

func (h *history) mark(l *line) {
	id, state, deadline := h.taskID(), of(h, berth.Assumed, berth.Running, berth.Stopping, berth.Lost, berth.Orphan, berth.TaskState(9)), int64(h.pick(3))
	t := l.model.tasks[id]
	ok := t != nil && state <= berth.Orphan && (t.node == "") == (state == berth.Lost)
	var at time.Time
	if deadline != 0 {
		at = time.UnixMicro(deadline)
	}
	err := l.fork.Mark(id, state, at)
	require.Equal(h.t, ok, err == nil, "%v", err)
	if ok {
		if state != berth.Assumed {
			deadline = 0
		}
		l.model = l.model.clone()
		l.model.tasks[id].state, l.model.tasks[id].deadline = state, deadline
		h.done["mark"]++
	}
}

// explain compares Fits, Lacks, Explain, Domains and a trial of Apply with each other and the model.
func (h *history) explain(l *line) {
	k := h.kinds[h.pick(len(h.kinds))]
	e := l.fork.Explain(k.group)
	require.Equal(h.t, len(l.model.nodes), e.Nodes)
	counts := map[berth.Reason]int{}
	trial := l.fork.Snapshot()
	for n := range l.fork.Nodes() {
		want := l.model.lacks(k, n.ID())
		got := reasons{}
		for _, lack := range l.fork.Lacks(k.group, n) {
			got[lack.Reason] = true
			amount := slices.Contains([]berth.Code{berth.Insufficient, berth.TooSmall, berth.UnitsTaken}, lack.Reason.Code) ||
				lack.Reason.Code == berth.NoDevice && strings.HasPrefix(lack.Detail, "it has ") && !strings.HasPrefix(lack.Detail, "it has 0")
			require.Equal(h.t, amount, lack.Short > 0, "%v", lack)
		}
		require.Equal(h.t, want, got, "%s on %s", k.group, n.ID())
		require.Equal(h.t, len(want) == 0, l.fork.Fits(k.group, n), "%s on %s: %v", k.group, n.ID(), want)
		whatIf := trial.Fork()
		_, why := whatIf.Apply(berth.Op{Task: k.group.Task("trial"), Node: n.ID()})
		require.Equal(h.t, len(want) == 0, why.Code == berth.None, "%s on %s: %v", k.group, n.ID(), why)
		if why.Code != berth.None {
			require.True(h.t, want[why], "%v is not one of %v", why, want)
		} else {
			_, why = whatIf.Apply(berth.Op{Kind: berth.Release, ID: "trial"})
			require.Equal(h.t, berth.None, why.Code)
		}
		require.Equal(h.t, l.model.dump(), dump(whatIf), "release does not undo what was assumed")
		for r := range want {
			counts[r]++
		}
		if e.Nearest != nil && e.Nearest.Node == n.ID() {
			require.Equal(h.t, l.fork.Lacks(k.group, n), e.Nearest.Lacks)
		}
		h.done["fits"]++
	}
	got := map[berth.Reason]int{}
	for _, c := range e.Counts {
		got[c.Reason] = c.Nodes
	}
	require.Equal(h.t, counts, got)
	require.True(h.t, slices.IsSortedFunc(e.Counts, func(a, b cluster.ReasonCount) int { return b.Nodes - a.Nodes }))
	require.Equal(h.t, len(counts) > 0, e.Nearest != nil)

	zones := map[string]int{}
	for _, n := range l.model.nodes {
		if z := zoneOf(n); z != "" && !n.cordoned && k.eligible(n) {
			zones[z] = l.model.tasksIn(k.group.Name(), func(o *modelNode) bool { return zoneOf(o) == z })
		}
	}
	want := berth.Domains{Number: len(zones)}
	if len(zones) > 0 {
		want.Least = slices.Min(slices.Collect(maps.Values(zones)))
	}
	for _, tasks := range zones {
		want.Total += tasks
	}
	require.Equal(h.t, want, l.fork.Domains(k.group, "zone"), "%s", k.group)
}

// garbage hands in what no host should; nothing may change and nothing may panic.
func (h *history) garbage(l *line) {
	bad := berth.NewGroup(" bad ", berth.GroupSpec{Mode: 9, Request: berth.Resources{"cpu": -1}})
	good := h.kinds[0].group
	ops := []berth.Op{
		{},
		{Kind: 99},
		{Kind: berth.Take},
		{Kind: berth.Drop},
		{Kind: berth.Release, ID: "\x00"},
		{Kind: berth.Evict, Hold: new(berth.Hold)},
		{Task: berth.Task{ID: "x"}, Node: "n0"},
		{Task: bad.Task("x"), Node: "n0"},
		{Task: good.Task(""), Node: "n0"},
		{Task: good.Task("x"), Node: "nowhere"},
		{Task: good.Task("x"), Node: "n0", From: "nobody", Grant: &berth.Grant{Devices: []berth.DeviceShare{{ID: "\x00", Units: math.MinInt64}}}},
		{Kind: berth.Take, Hold: &berth.Hold{ID: "x", Owner: "x", Node: "n0", Deadline: time.Unix(1, 0), Devices: []berth.DeviceShare{{Class: "gpu", ID: "999", Units: 1}}}},
		{Kind: berth.Take, Hold: &berth.Hold{ID: "x", Owner: "x", Node: "n0", Deadline: time.Unix(1, 0), Resources: berth.Resources{"none": math.MaxInt64}}},
	}
	_, reason := l.fork.Apply(of(h, ops...))
	assert.NotEqual(h.t, berth.None, reason.Code)
	assert.Error(h.t, l.fork.Adopt(of(h, berth.Task{}, bad.Task("x"), good.Task("")), "n0", h.grant(), berth.Running))
	assert.Error(h.t, l.fork.AddNodes(berth.Node{}))
	assert.Error(h.t, l.fork.UpdateNodes(berth.Node{ID: "n0", Capacity: berth.Resources{"cpu": math.MinInt64}}))
	foreign, _ := h.lines[0].fork.Snapshot().Node("n0")
	for _, n := range []cluster.NodeView{{}, foreign} {
		assert.False(h.t, l.fork.Fits(good, n))
		assert.NotEmpty(h.t, l.fork.Lacks(good, n))
		_, _, _, _ = n.Free(), n.Capacity(), n.FreeDevices(), n.Overcommitted()
	}
	assert.False(h.t, l.fork.Fits(nil, foreign))
	assert.NotEmpty(h.t, l.fork.Lacks(bad, foreign))
	assert.Equal(h.t, len(l.model.nodes), l.fork.Explain(nil).Nodes)
	assert.Zero(h.t, l.fork.Domains(nil, "zone"))
}
