package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// commit commits a plan, compares what became of it with what should, and checks never-overcommit and
// release-undoes-assume.
func (h *history) commit() {
	snapshot, err := h.state.Snapshot(context.Background())
	require.NoError(h.t, err)
	p := &cluster.Plan{Version: snapshot.Version()}
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
	for range h.byte(3) { // parts that may overlap
		first := h.byte(len(p.Ops))
		p.Parts = append(p.Parts, cluster.Part{Name: fmt.Sprint("part-", len(p.Parts)), First: first, End: first + h.byte(len(p.Ops)-first+1)})
	}
	p.Whole = h.byte(12) == 0
	if h.byte(3) == 0 {
		p.Deadline = h.now.Add(time.Duration(h.byte(5)-1) * 20 * time.Second)
	}
	h.likely = nil
	written := slices.Clone(p.Ops)
	before := h.picture()
	var out *cluster.Outcome
	if h.host(func() { out, err = h.state.Commit(context.Background(), p) }) {
		return
	}
	require.NoError(h.t, err)
	h.log("commit %v together %v parts %v whole %v", p, p.Together, p.Parts, p.Whole)
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
	for _, op := range out.Placed {
		if task, ok := after.Task(op.Task.ID); !p.Deadline.IsZero() && ok && task.Node == op.Node && !task.Deadline.Equal(p.Deadline) {
			h.fail("%v expires at %v, not at %v", op, task.Deadline, p.Deadline)
		}
	}
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

// unitsOf says which operations stand or fall together, by a number for each, or -1, the slow and obvious way; and the name of the
// part that each is, or "".
func unitsOf(p *cluster.Plan) (of []int, parts map[int]string) {
	of = make([]int, len(p.Ops))
	var sets [][]int
	for _, name := range p.Together {
		var set []int
		for i, op := range p.Ops {
			if op.Kind == berth.Place && op.Task.Group != nil && op.Task.Group.Name() == name {
				set = append(set, i)
			}
		}
		sets = append(sets, set)
	}
	all := slices.Clone(p.Parts)
	if p.Whole {
		all = append(all, cluster.Part{Name: "the plan", End: len(p.Ops)})
	}
	for _, part := range all {
		var set []int
		for i := part.First; i < part.End; i++ {
			set = append(set, i)
		}
		sets = append(sets, set)
	}
	for i := range of {
		of[i] = -1
	}
	for n, set := range sets {
		for _, i := range set {
			of[i] = n
		}
	}
	for changed := true; changed; {
		changed = false
		for _, set := range sets {
			for _, i := range set {
				if a, b := of[i], of[set[0]]; a != b {
					changed = true
					for k := range of {
						if of[k] == max(a, b) {
							of[k] = min(a, b)
						}
					}
				}
			}
		}
	}
	parts = map[int]string{}
	slices.SortStableFunc(all, func(a, b cluster.Part) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.End, a.End)) })
	for _, part := range all {
		if part.First < part.End {
			if u := of[part.First]; parts[u] == "" {
				parts[u] = part.Name
			}
		}
	}
	return of, parts
}

// reference says what must become of a plan, the slow and obvious way: it tries all operations in order and,
// whenever one of those that stand or fall together fails, begins again without them.
func (h *history) reference(snapshot *cluster.Snapshot, p *cluster.Plan) (done []berth.Op, refused []cluster.Refusal) {
	type failure struct {
		at  int
		why berth.Reason
	}
	of, parts := unitsOf(p)
	broken := map[int]failure{}
	last := map[int]int{}
	sizes, lastOf := map[string]int{}, map[string]int{}
	for i, op := range p.Ops {
		last[of[i]] = i
		if g := op.Task.Group; op.Kind == berth.Place && g != nil && slices.Contains(p.Together, g.Name()) {
			sizes[g.Name()], lastOf[g.Name()] = max(sizes[g.Name()], g.GangSize()), i
		}
	}
again:
	done, refused = nil, nil
	f := snapshot.Fork()
	for i, op := range p.Ops {
		unit := of[i]
		b, left := broken[unit]
		switch {
		case unit < 0 || !left:
		case b.at == i:
			refused = append(refused, cluster.Refusal{Op: op, Reason: b.why})
			continue
		case parts[unit] != "":
			why := berth.Reason{Code: berth.NotWhole, Subject: fmt.Sprintf("%s: %v: %v", parts[unit], p.Ops[b.at], b.why)}
			refused = append(refused, cluster.Refusal{Op: op, Reason: why})
			continue
		default:
			refused = append(refused, cluster.Refusal{Op: op, Reason: berth.Reason{Code: berth.GangIncomplete, Subject: op.Task.Group.Name()}})
			continue
		}
		granted, why := op, berth.Reason{}
		_, known := f.Task(op.ID)
		if (op.Kind == berth.Take || op.Kind == berth.Evict && known) && op.Hold.Err() == nil && op.Hold.Lease != berth.Reserved && !op.Hold.Deadline.After(h.now) {
			why = berth.Reason{Code: berth.Invalid, Subject: fmt.Sprintf("hold %q: its deadline has passed", op.Hold.ID)}
		} else if op.Kind == berth.Place && !p.Deadline.IsZero() && !p.Deadline.After(h.now) {
			why = berth.Reason{Code: berth.Invalid, Subject: "plan: its deadline has passed"}
		} else if a := (Admission{Op: op}); h.asks(op) && a.Role() == "eng/web" && h.engUses(f)+a.Cost()["cpu"] > limit {
			why = berth.Reason{Code: berth.Denied, Subject: "limit of eng"}
		} else {
			granted, why = f.Apply(op)
		}
		at := i
		if why.Code == berth.None && unit >= 0 && last[unit] == i {
			var names []string // of the unit's gangs, as they come
			for k := range i + 1 {
				if g := p.Ops[k].Task.Group; of[k] == unit && p.Ops[k].Kind == berth.Place && g != nil && slices.Contains(p.Together, g.Name()) && !slices.Contains(names, g.Name()) {
					names = append(names, g.Name())
				}
			}
			for _, name := range names {
				n := 0
				for t := range f.Group(name) {
					if t.Node != "" && t.State != berth.Stopping {
						n++
					}
				}
				if n < sizes[name] && why.Code == berth.None {
					at, why = lastOf[name], berth.Reason{Code: berth.GangIncomplete, Subject: fmt.Sprintf("%d of %d", n, sizes[name])}
				}
			}
		}
		switch {
		case why.Code == berth.None && op.Kind == berth.Place:
			done = append(done, granted)
		case why.Code == berth.None:
		case unit >= 0:
			broken[unit] = failure{at, why}
			goto again
		default:
			refused = append(refused, cluster.Refusal{Op: op, Reason: why})
		}
	}
	return done, refused
}

// asks reports whether admission is asked about an operation.
func (h *history) asks(op berth.Op) bool {
	if op.Kind == berth.Place {
		return op.Task.Err() == nil
	}
	return (op.Kind == berth.Take || op.Kind == berth.Evict) && op.Hold != nil && op.Hold.Err() == nil && (op.Hold.Lease == berth.Reserved || op.Hold.Deadline.After(h.now))
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
		for role, idle := range n.Idle() {
			if strings.HasPrefix(string(role), "eng") {
				sum += idle["cpu"]
			}
		}
	}
	for hold := range f.Holds() {
		if strings.HasPrefix(string(hold.Role), "eng") && hold.Lease != berth.Reserved {
			sum += hold.Cost()["cpu"]
		}
	}
	return sum
}
