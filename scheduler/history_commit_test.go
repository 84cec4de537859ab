package scheduler

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

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
	for r := range after.Roles() {
		for name, most := range r.Quota.Limits {
			if used, was := r.Used[name], snapshot.Used(r.Role)[name]; used > most && used > was {
				h.fail("quota-limit-never-exceeded: %s of %q went from %d to %d, with a limit of %d", name, r.Role, was, used, most)
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
		} else if a := (Admission{Op: op}); h.asks(op) && a.Role() == "eng/web" && h.engUses(f)+a.Cost()["cpu"] > limit {
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

// asks reports whether admission is asked about an operation.
func (h *history) asks(op berth.Op) bool {
	if op.Kind == berth.Place {
		return op.Task.Err() == nil
	}
	return (op.Kind == berth.Take || op.Kind == berth.Evict) && op.Hold != nil && op.Hold.Err() == nil && op.Hold.Deadline.After(h.now)
}

// engUses adds up what the role eng and those below it have, the slow way.
func (h *history) engUses(f *cluster.Fork) int64 {
	var sum int64
	for n := range f.Nodes() {
		for t := range n.Tasks() {
			if strings.HasPrefix(string(t.Group.Role()), "eng") {
				sum += t.Group.Cost()["cpu"]
			}
		}
	}
	for hold := range f.Holds() {
		if strings.HasPrefix(string(hold.Role), "eng") {
			sum += hold.Cost()["cpu"]
		}
	}
	return sum
}
