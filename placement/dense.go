package placement

import (
	"math"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Candidates looks at every row once, in the columns, and asks rules once a class: O(nodes), and less to sort those that fit.
func (e *Engine) Candidates(t berth.Task, ask Ask) *Choices {
	if e.inCover {
		return nil
	}
	e.enter()
	if out := e.again(t, ask); out != nil {
		e.leave()
		return out
	}
	out := ask.begin(e.snapshot.Version(), e.policy)
	if out.Reason = invalid(t); out.Reason.Code == berth.None {
		q := asking{e: e, task: t, ask: ask, out: out, survey: e.survey}
		q.run()
	}
	e.leave()
	return out
}

// survey is what calls of Candidates find, of one call each; it is kept for its room.
type survey struct {
	asked    []uint32 // rows that were asked about, where nodes are named
	missed   []uint32 // rows that cannot take the task
	classAt  []int32  // by class, after one for none: the place of its contender, or -1 if no more can be taken there
	fitting  []uint32 // rows that can take the task
	bases    []int64  // of each contender, by tier: what its rows have alike
	keyBases []int64  // of the tier of keys, by class as in classAt
	sums     []int64  // of the row that is looked at, by tier
	values   []int64  // and by term

	rules []classLacks // by class
	told  []toldRule   // rules about tasks in domains, in the order in which what is lacking is told

	log changeLog
}

// classLacks is what keeps a group off all nodes of a class, once it is asked for.
type classLacks struct {
	known  bool
	lacks  []berth.Lack
	joined bool         // whether all is known:
	all    []berth.Lack // lacks, and what rules about tasks in domains say of all nodes of the class
}

// asking is a call of Candidates.
type asking struct {
	e      *Engine
	task   berth.Task
	ask    Ask
	out    *Choices
	survey *survey
	gone   *absence // nil if nothing is counted as gone

	indexed bool        // whether sums follow from what is kept of classes and rows; else each row is rated
	onNode  []int       // if so, the tiers that count the tasks on the node,
	varying []int       // and those others than the one of keys whose sums are not alike for all rows
	worker  *scanWorker // if not
}

func (q *asking) run() {
	e, g := q.e, q.task.Group
	q.gone = e.absenceOf(q.ask)
	if q.exactly() {
		return
	}
	if q.out.Reason = q.keepsOff(); q.out.Reason.Code != berth.None {
		return
	}
	if q.gone != nil && (e.policy.chooses || e.tasks.meets(g)) { // without what is gone, their rules may be others
		q.byReference()
		return
	}
	s := e.search
	e.begin(g)
	if q.indexed = e.policy.plain && !s.every && !s.split.on; q.indexed {
		s.classes.moveMisplaced() // the keys of rows are half of what there is to rate
		s.classes.build()
	}
	q.gone.begin(s)
	q.prepare()
	rows := q.rows()
	if q.indexed {
		q.lookUp(rows)
	} else {
		q.rate(rows)
	}
	q.told()
	if q.ask.Misfits {
		q.misfits()
	}
	q.keep()
	q.gone.end(s)
	s.end()
}

// byReference lets the reference picker look at every node, and orders what it finds.
func (q *asking) byReference() {
	q.lookBy(q.e.caughtUp().picker.without(q.ask))
}

func (q *asking) lookBy(picker *Exhaustive) {
	e := q.e
	picker.look(q.task, q.ask, q.out, func(node string) uint32 {
		row, _ := e.mirror.view.FindNode(node)
		return e.mirror.rows[row].rank
	})
	q.told()
}

// told puts what fits in order.
func (q *asking) told() {
	q.out.Fit = len(q.out.nodes)
	q.out.sort(q.e.policy.tiers, q.ask.Top, len(q.e.mirror.order))
}

// keepsOff returns what keeps the task off every node.
func (q *asking) keepsOff() berth.Reason {
	if why := q.known(); why.Code != berth.None {
		return why
	}
	return q.out.exceeds(q.e.limits.overWithout(q.gone, q.task.Group))
}

// known says that the task exists, if it does.
func (q *asking) known() berth.Reason {
	e, id := q.e, q.task.ID
	view := q.view()
	if !q.task.IsDemand() {
		if slot, ok := view.FindTask(id); ok {
			return existing(view, slot).Reason
		}
		if st := e.steps.pickOf(id); st != nil && !q.gone.hasPick(id) {
			return existingOn(e.mirror.rows[st.row].id).Reason
		}
	}
	return berth.Reason{}
}

// view returns the snapshot without what is gone.
func (q *asking) view() *store.View {
	if q.gone != nil {
		return &q.gone.rest.View
	}
	return q.e.mirror.view
}

// prepare finds what all rows of a class have in common, and what the strategy counts by row.
func (q *asking) prepare() {
	s, v := q.e.search, q.survey
	v.classAt = slices.Grow(v.classAt[:0], 1+len(s.classes.all))[:1+len(s.classes.all)]
	for i := range v.classAt {
		v.classAt[i] = -1
	}
	v.missed = v.missed[:0]
	v.rules = slices.Grow(v.rules[:0], len(s.classes.all))[:len(s.classes.all)]
	clear(v.rules)
	for i := range s.contenders {
		if c := &s.contenders[i]; !s.full(c) {
			v.classAt[1+c.class] = int32(i)
		}
	}
	if q.indexed {
		q.addBases()
		return
	}
	s.knowRows()
	q.worker = s.scan.aim(1, s, q.task)[0]
	v.values = slices.Grow(v.values[:0], q.e.policy.terms())[:q.e.policy.terms()]
}

// addBases finds, where the order of a class serves, what its rows have alike in each tier.
func (q *asking) addBases() {
	s, v := q.e.search, q.survey
	v.bases = v.bases[:0]
	for i := range s.contenders {
		c := &s.contenders[i]
		v.bases = append(v.bases, s.fixed[c.sums:int(c.sums)+len(s.policy.tiers)]...)
	}
	for k := range s.compared {
		t := &s.compared[k]
		if !t.fixed {
			for j := range s.contenders {
				v.bases[j*len(s.policy.tiers)+t.tier] = s.sumOf(&s.contenders[j], t)
			}
		}
	}
	tiers := len(s.policy.tiers)
	for i := range s.policy.tiers {
		if s.countsOnNode(i) {
			q.onNode = append(q.onNode, i)
		}
		alike := i != s.policy.keyed && !s.countsOnNode(i)
		for j := i + tiers; j < len(v.bases) && alike; j += tiers {
			alike = v.bases[j] == v.bases[i]
		}
		if !alike && i != s.policy.keyed {
			q.varying = append(q.varying, i)
		}
	}
}

// rows returns the rows to ask about, in the order of IDs, and notes which nodes there are not. Nil is all, in any order: as
// they lie in memory is the fastest.
func (q *asking) rows() []uint32 {
	m := q.e.mirror
	ids, all := q.ask.namedIn(q.task)
	if all {
		q.out.Asked = len(m.order)
		if q.indexed && !q.ask.Misfits {
			return nil
		}
		return m.order
	}
	q.out.Asked = len(ids)
	rows := slices.Grow(q.survey.asked[:0], 1) // so that it is not nil
	for _, id := range ids {
		if row, ok := m.view.FindNode(id); ok {
			rows = append(rows, row)
		} else if q.ask.Misfits {
			q.out.Misfits = append(q.out.Misfits, unknownNode(id))
		}
	}
	q.survey.asked = rows
	return rows
}

// rate takes in the rows that can take the task, each rated by every term.
func (q *asking) rate(rows []uint32) {
	s, v, w := q.e.search, q.survey, q.worker
	v.sums = slices.Grow(v.sums[:0], len(s.policy.tiers))[:len(s.policy.tiers)]
	for _, row := range rows {
		st := &s.mirror.rows[row]
		if !q.fits(row, st) {
			q.missed(row)
			continue
		}
		w.stand(row, &s.contenders[v.classAt[1+st.class]])
		if s.policy.plain {
			w.rate(w, v.sums)
		} else {
			w.rateTerms(w, v.sums, v.values)
			q.out.addValues(v.values)
		}
		q.out.add(st.id, st.rank, v.sums)
	}
}

// lookUp takes in the rows that can take the task, with sums out of what is kept of classes and rows: one thing after another, for
// all rows, which takes half as long as all things of one row after another.
func (q *asking) lookUp(rows []uint32) {
	s, v, out := q.e.search, q.survey, q.out
	fitting := q.fitting(rows)
	if len(fitting) == 0 {
		return
	}
	out.extend(len(fitting))
	all, tiers := s.mirror.rows, len(s.policy.tiers)
	q.lookUpKeys(fitting)
	for i, sums := range out.sums {
		switch {
		case i == s.policy.keyed:
		case slices.Contains(q.varying, i):
			for n, row := range fitting {
				sums[n] = v.bases[int(v.classAt[1+all[row].class])*tiers+i]
			}
		default:
			alike := v.bases[i]
			for n := range sums {
				sums[n] = alike
			}
			out.extents[i] = extent{alike, alike, true}
		}
	}
	for _, i := range q.onNode {
		sums := out.sums[i]
		for n, row := range fitting {
			sums[n] += s.onNode(i, s.counts.on(row))
		}
		out.extents[i].known = false
	}
}

// fitting returns the rows that can take the task.
func (q *asking) fitting(rows []uint32) []uint32 {
	s, v := q.e.search, q.survey
	all, free, width, needs := s.mirror.rows, s.mirror.free, s.mirror.width, s.needs
	asks := s.picky || s.even || q.task.IsDemand() // more than the amounts tell
	count := len(rows)
	if rows == nil {
		count = len(all)
	}
	v.fitting = slices.Grow(v.fitting[:0], count)[:count]
	fitting, n := v.fitting, 0
rows:
	for i := range count {
		row := uint32(i)
		if rows != nil {
			row = rows[i]
		}
		class := all[row].class
		if v.classAt[1+class] < 0 {
			if class >= 0 {
				q.missed(row)
			}
			continue
		}
		amounts := free[int(row)*width:]
		for j := range needs {
			if amounts[needs[j].Dim] < needs[j].Amount {
				q.missed(row)
				continue rows
			}
		}
		if asks && !q.takes(row) {
			q.missed(row)
			continue
		}
		fitting[n] = row
		n++
	}
	v.fitting = fitting[:n]
	return v.fitting
}

// lookUpKeys finds of rows what nodes they are, their ties, and their sums in the tier of keys.
func (q *asking) lookUpKeys(fitting []uint32) {
	s, v, x := q.e.search, q.survey, q.e.classes
	tiers, keyed := len(s.policy.tiers), s.policy.keyed
	all, nodes, ties, keys := s.mirror.rows, q.out.nodes, q.out.ties, q.out.sums[keyed]
	ties, keys = ties[:len(nodes)], keys[:len(nodes)]
	v.keyBases = slices.Grow(v.keyBases[:0], len(v.classAt))[:len(v.classAt)]
	for i, at := range v.classAt {
		if v.keyBases[i] = 0; at >= 0 {
			v.keyBases[i] = v.bases[int(at)*tiers+keyed]
		}
	}
	bases, built := v.keyBases, x.built
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	for n, row := range fitting[:len(nodes)] {
		st := &all[row]
		nodes[n], ties[n] = st.id, st.rank
		key := st.key
		if !built || st.misplaced {
			key = x.rate(row)
		}
		key += bases[1+st.class]
		keys[n] = key
		least, most = min(least, key), max(most, key)
	}
	q.out.extents[keyed] = extent{least, most, true}
}

// missed notes a row that cannot take the task.
func (q *asking) missed(row uint32) {
	if q.ask.Misfits {
		q.survey.missed = append(q.survey.missed, row)
	}
}

// fits reports whether a row can take the task.
func (q *asking) fits(row uint32, st *rowState) bool {
	return q.survey.classAt[1+st.class] >= 0 && q.e.search.fits(row) && q.takes(row)
}

// takes reports whether a row of a class that may be used can take the task, amounts aside.
func (q *asking) takes(row uint32) bool {
	s := q.e.search
	if s.picky && !s.usable(row) || s.even && s.isOverLimit(row) {
		return false
	}
	return !q.task.IsDemand() || q.instance(row).Code == berth.None
}

// instance says that another task has the ID of a row's instance, if one has.
func (q *asking) instance(row uint32) berth.Reason {
	id, view := q.task.Group.On(q.e.mirror.rows[row].id).ID, q.view()
	if slot, ok := view.FindTask(id); ok {
		return existing(view, slot).Reason
	}
	if st := q.e.steps.pickOf(id); st != nil && !q.gone.hasPick(id) {
		return existingOn(q.e.mirror.rows[st.row].id).Reason
	}
	return berth.Reason{}
}
