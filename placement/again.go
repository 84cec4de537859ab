package placement

import (
	"cmp"
	"slices"
	"sort"

	"github.com/berth-sched/berth"
)

// kept lets an answer about all nodes be brought up to date where it stands: it has where each row is in the answer, and all that the answer
// follows from besides the rows. Where that is as it was, only rows that have changed are asked about again.
type kept struct {
	by      *survey // of the parts that made it
	group   *berth.Group
	misfits bool
	seen    uint64 // how much of the survey's log has been taken in

	described uint64 // mirror.described
	version   uint64 // classIndex.version
	classAt   []int32
	bases     []int64

	places []int32  // by row: its place in the answer; -1 of one that does not fit
	free   []uint32 // places of no row
}

// changeLog is the rows that have come to differ from plan to plan. It begins when an answer is first kept.
type changeLog struct {
	on   bool
	rows []uint32
	from uint64 // how many were dropped
}

// mostLogged is how many rows the log has before the older half is dropped. Who is further behind asks about all.
const mostLogged = 1 << 13

func (l *changeLog) note(rows []uint32) {
	switch {
	case !l.on:
	case len(rows) > mostLogged/2:
		l.from += uint64(len(l.rows)) + 1 // nobody has seen as much
		l.rows = l.rows[:0]
	default:
		if len(l.rows) > mostLogged {
			l.from += mostLogged / 2
			l.rows = append(l.rows[:0], l.rows[mostLogged/2:]...)
		}
		l.rows = append(l.rows, rows...)
	}
}

func (l *changeLog) end() uint64 { return l.from + uint64(len(l.rows)) }

// again answers in the room of an answer that was kept, if that is one to the same question. It returns nil if it is not, or if more
// has changed than is worth it.
func (e *Engine) again(t berth.Task, ask Ask) *Choices {
	out, m, log := ask.Into, e.mirror, &e.survey.log
	if out == nil || out.kept == nil || !ask.ofAll() || invalid(t).Code != berth.None {
		return nil
	}
	k := out.kept
	if k.by != e.survey || k.group != t.Group || k.misfits != ask.Misfits || k.described != m.described || k.seen < log.from {
		return nil
	}
	e.see(t.Group)
	changed := log.rows[k.seen-log.from:]
	if len(changed)+len(m.touched) > 16+len(m.order)/32 || len(out.lacks) > 64+4*len(out.Misfits) {
		return nil
	}
	q := asking{e: e, task: t, ask: ask, out: out, survey: e.survey}
	if q.keepsOff().Code != berth.None || e.limits.reservesLimits() {
		return nil
	}
	e.begin(t.Group)
	q.indexed = true
	q.prepare()
	if ok := k.holds(&q); !ok {
		e.search.end()
		return nil
	}
	tell := q.teller()
	for _, rows := range [][]uint32{changed, m.touched} {
		for _, row := range rows {
			q.renew(k, row, tell)
		}
	}
	e.search.end()
	k.seen = log.end()
	out.Version = e.snapshot.Version()
	return out
}

// ofAll reports whether all nodes are asked about, as they are.
func (a Ask) ofAll() bool {
	return a.Among == nil && a.Top == 0 && len(a.Gone) == 0 && len(a.GoneHolds) == 0 && !a.Details
}

// isByRow reports whether what a row comes to follows from the row itself and from what all rows of its class have in common. Rules and
// terms that count the tasks of others rows have do not let it.
func (q *asking) isByRow() bool {
	s := q.e.search
	return q.indexed && !s.every && !s.split.on && !s.even && !s.meets && !s.mixed && len(s.soft) == 0 && len(s.ofRow) == 0 &&
		len(s.group.Requirements().DomainRules) == 0 && s.group.Mode() != berth.Daemon && len(q.onNode) == 0 && !q.e.policy.tolerant
}

// holds reports whether all that an answer follows from besides the rows is as it was.
func (k *kept) holds(q *asking) bool {
	v := q.survey
	return q.isByRow() && k.version == q.e.classes.version && slices.Equal(k.classAt, v.classAt) && slices.Equal(k.bases, v.bases)
}

// keep notes in a new answer what it takes to bring it up to date, if it can be. Only who answers in the room of an earlier answer may
// ask again, so that nobody else pays for it.
func (q *asking) keep() {
	e, v, out := q.e, q.survey, q.out
	if q.ask.Into == nil || q.task.Group == nil || !q.ask.ofAll() || !q.isByRow() {
		return
	}
	k := out.spare
	if k == nil {
		k = new(kept)
	}
	v.log.on = true
	k.by, k.group, k.misfits, k.seen = v, q.task.Group, q.ask.Misfits, v.log.end()
	k.described, k.version = e.mirror.described, e.classes.version
	k.classAt, k.bases = append(k.classAt[:0], v.classAt...), append(k.bases[:0], v.bases...)
	n := len(e.mirror.rows)
	k.places, k.free = slices.Grow(k.places[:0], n)[:n], k.free[:0]
	for i := range k.places {
		k.places[i] = -1
	}
	for place, tie := range out.ties {
		k.places[e.mirror.tied[tie]] = int32(place)
	}
	out.kept = k
}

// renew asks about a row again, and puts it where it belongs.
func (q *asking) renew(k *kept, row uint32, tell func(uint32) Misfit) {
	out, st := q.out, &q.e.mirror.rows[row]
	if place := k.places[row]; place >= 0 {
		at := out.find(uint32(place))
		out.order = slices.Delete(out.order, at, at+1)
		out.nodes[place] = ""
		k.places[row], k.free = -1, append(k.free, uint32(place))
		out.Fit--
	} else if k.misfits && st.node != nil {
		if at, there := out.misfit(st.id); there {
			out.Misfits = slices.Delete(out.Misfits, at, at+1)
		}
	}
	switch {
	case st.node == nil:
	case q.fits(row, st):
		place := uint32(len(out.nodes))
		if n := len(k.free); n > 0 {
			place, k.free = k.free[n-1], k.free[:n-1]
		} else {
			out.add("", 0, make([]int64, len(out.sums)))
		}
		q.set(row, st, place)
		k.places[row] = int32(place)
		out.order = slices.Insert(out.order, out.find(place), place)
		out.Fit++
	case k.misfits:
		at, _ := out.misfit(st.id)
		out.Misfits = slices.Insert(out.Misfits, at, tell(row))
	}
}

// set puts a row that fits at a place.
func (q *asking) set(row uint32, st *rowState, place uint32) {
	v, out, policy := q.survey, q.out, q.e.policy
	out.nodes[place], out.ties[place] = st.id, st.rank
	base := v.bases[int(v.classAt[1+st.class])*len(policy.tiers):]
	for i, sums := range out.sums {
		sums[place] = base[i]
	}
	out.sums[policy.keyed][place] += q.e.classes.rate(row)
}

// find returns where a place is in the order, or is to be.
func (r *ranks) find(place uint32) int {
	return sort.Search(len(r.order), func(i int) bool { return r.compare(r.order[i], place) >= 0 })
}

// misfit returns where a node is among those that cannot take the task, or is to be.
func (c *Choices) misfit(id string) (at int, there bool) {
	return slices.BinarySearchFunc(c.Misfits, id, func(m Misfit, id string) int { return cmp.Compare(m.Node, id) })
}
