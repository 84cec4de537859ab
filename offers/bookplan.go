package offers

import (
	"fmt"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/whole"
)

// translation is a plan for a Book on its way to becoming one for the source, less what a framework may not do.
type translation struct {
	book    *Book
	given   *cluster.Plan
	plan    *cluster.Plan
	refused map[int]berth.Reason // by place in the plan that was given

	placed map[string]bool // the tasks that operations place,
	upTo   int             // as far as they were looked at

	last   *berth.Group // of the placement that was looked at last,
	denied berth.Reason // why the framework may not place tasks of it
}

// translate turns a plan for the Book into one for the source.
func (b *Book) translate(p *cluster.Plan) *translation {
	t := &translation{book: b, given: p, plan: &cluster.Plan{
		Version: b.sub.x.snapshot.Version(), Ops: make([]berth.Op, 0, len(p.Ops)),
		Together: p.Together, Whole: p.Whole, Deadline: p.Deadline,
	}}
	units := whole.Units(p)
	for i := range p.Ops {
		if why := t.forbids(i); why.Code != berth.None {
			t.refuse(i, why)
		}
	}
	if units != nil && t.refused != nil {
		t.breakUp(units)
	}
	var last *berth.Group  // of the placement before,
	var owner, from string // and whose it is and whose holds it draws on
	var at []int           // where operations that are handed on stand, if anybody will ask
	if len(p.Parts) > 0 {
		at = make([]int, len(p.Ops))
	}
	for i := range p.Ops {
		if t.refused != nil && t.isRefused(i) {
			continue
		}
		if at != nil {
			at[i] = len(t.plan.Ops)
		}
		t.plan.Ops = append(t.plan.Ops, p.Ops[i])
		if op := &t.plan.Ops[len(t.plan.Ops)-1]; op.Kind == berth.Place {
			if g := op.Task.Group; g != last {
				last, owner, from = g, b.sub.x.own(b.sub), b.sub.from(g)
			}
			op.From, op.Owner = from, owner
		}
	}
	for _, part := range p.Parts { // of each all is handed on, or nothing
		if part.First < part.End && !t.isRefused(part.First) {
			t.plan.Parts = append(t.plan.Parts, cluster.Part{Name: part.Name, First: at[part.First], End: at[part.First] + part.End - part.First})
		}
	}
	return t
}

func (t *translation) refuse(i int, why berth.Reason) {
	if t.refused == nil {
		t.refused = map[int]berth.Reason{}
	}
	t.refused[i] = why
}

func (t *translation) isRefused(i int) bool {
	_, is := t.refused[i]
	return is
}

// breakUp refuses the rest of what goes together of which the framework may not do a part.
func (t *translation) breakUp(units []*whole.Unit) {
	broken := map[*whole.Unit]int{} // and the first operation that is forbidden
	for _, i := range slices.Sorted(maps.Keys(t.refused)) {
		if u := units[i]; u != nil {
			if _, known := broken[u]; !known {
				broken[u] = i
			}
		}
	}
	for i, u := range units {
		if failed, is := broken[u]; is && u != nil && !t.isRefused(i) {
			t.refuse(i, u.Rest(&t.given.Ops[i], &t.given.Ops[failed], t.refused[failed]))
		}
	}
}

// opKey tells operations of a plan apart, but for those that are given twice.
type opKey struct {
	kind           berth.OpKind
	task, node, id string
}

func keyOf(op *berth.Op) opKey { return opKey{op.Kind, op.Task.ID, op.Node, op.ID} }

// refusals returns what the framework may not do and what the source has refused, in the order of the plan that was given. Of operations
// given twice, it is the later that was refused: the first was done, or both were not.
func (t *translation) refusals(more []cluster.Refusal) []cluster.Refusal {
	if len(more) > 0 {
		at := map[opKey][]int{} // where operations that were handed on stand
		for i := range t.given.Ops {
			if !t.isRefused(i) {
				key := keyOf(&t.given.Ops[i])
				at[key] = append(at[key], i)
			}
		}
		for i := len(more) - 1; i >= 0; i-- {
			key := keyOf(&more[i].Op)
			if left := at[key]; len(left) > 0 {
				t.refuse(left[len(left)-1], more[i].Reason)
				at[key] = left[:len(left)-1]
			}
		}
	}
	var out []cluster.Refusal
	for _, i := range slices.Sorted(maps.Keys(t.refused)) {
		out = append(out, cluster.Refusal{Op: t.given.Ops[i], Reason: t.refused[i]})
	}
	return out
}

// forbids says why a framework may not do an operation.
func (t *translation) forbids(i int) berth.Reason {
	s, op := t.book.sub, &t.given.Ops[i]
	x := s.x
	switch op.Kind {
	case berth.Place:
		if err := op.Task.Err(); err != nil {
			return berth.Reason{Code: berth.Invalid, Subject: err.Error()}
		}
		if op.From != "" && op.From != s.client.name && op.From != s.owner {
			return berth.Reason{Code: berth.UnknownHold, Subject: op.From}
		}
		if g := op.Task.Group; g != t.last {
			t.last, t.denied = g, t.book.Denies(g)
		}
		if t.denied.Code != berth.None {
			return t.denied
		}
		if x.others[s.owner] == 0 {
			break
		}
		if at, ok := x.sites.get(op.Node); ok && slices.Contains(at.others, s.owner) {
			return berth.Reason{Code: berth.Denied, Subject: fmt.Sprintf("somebody else holds room on %s as %s, too", op.Node, s.owner)}
		}
	case berth.Release, berth.Evict:
		if why := t.notOwn(i); why.Code != berth.None {
			return why
		}
		if op.Hold != nil {
			return berth.Reason{Code: berth.Denied, Subject: "a framework makes no holds"}
		}
	case berth.Drop:
		if o, ok := x.offers.get(op.ID); !ok || o.sub != s {
			return berth.Reason{Code: berth.UnknownHold, Subject: op.ID}
		}
	case berth.Take:
		return berth.Reason{Code: berth.Denied, Subject: "a framework makes no holds"}
	}
	return berth.Reason{}
}

// notOwn says why a framework may not end a task: the Book does not show it, or the framework has not placed it,
// before or earlier in the plan.
func (t *translation) notOwn(i int) berth.Reason {
	s, id := t.book.sub, t.given.Ops[i].ID
	x := s.x
	slot, known := x.view.FindTask(id)
	switch {
	case !known && t.places(id, i):
		return berth.Reason{}
	case !known || !t.book.shows(x.view.Record(slot).Group):
		return berth.Reason{Code: berth.UnknownTask, Subject: id}
	}
	if c, ok := x.claimOn(slot, x.view.Record(slot)); ok && c.sub == s {
		return berth.Reason{}
	}
	return berth.Reason{Code: berth.Denied, Subject: fmt.Sprintf("task %q was not placed by framework %q", id, s.client.name)}
}

// places reports whether an operation before the one in a place puts a task of that ID on a node.
func (t *translation) places(id string, before int) bool {
	if t.placed == nil {
		t.placed = map[string]bool{}
	}
	for ; t.upTo < before; t.upTo++ {
		if op := &t.given.Ops[t.upTo]; op.Kind == berth.Place && !t.isRefused(t.upTo) {
			t.placed[op.Task.ID] = true
		}
	}
	return t.placed[id]
}
