package placement

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/fit"
)

// misfits tells of the rows that cannot take the task, in the order of IDs.
func (q *asking) misfits() {
	tell := q.teller()
	for _, row := range q.survey.missed {
		q.out.Misfits = append(q.out.Misfits, tell(row))
	}
	if q.ask.Among != nil { // among those that there are not
		slices.SortFunc(q.out.Misfits, func(a, b Misfit) int { return cmp.Compare(a.Node, b.Node) })
	}
}

// teller returns what tells what a row lacks: the columns where they can, and else the reference.
func (q *asking) teller() func(row uint32) Misfit {
	if !q.ask.Details && q.isSimple() {
		q.takeRules()
		return q.ofColumns
	}
	var picker *Exhaustive
	return func(row uint32) Misfit {
		if picker == nil {
			picker = q.e.caughtUp().picker.without(q.ask)
		}
		id := q.e.mirror.rows[row].id
		n, _ := picker.fork.Node(id)
		lacks := picker.lacksOf(q.task, n)
		if !q.ask.Details {
			withoutDetails(lacks)
		}
		return Misfit{id, lacks}
	}
}

// isSimple reports whether all that a row can lack is what its class is refused for, what rules about tasks in domains say, and amounts.
func (q *asking) isSimple() bool {
	s, r := q.e.search, q.task.Group.Requirements()
	if len(r.DomainRules) > 0 && q.gone != nil || len(s.tasks.refusing(s.group)) > 1 && q.e.steps.size > 0 {
		return false // counts are back to what they were; who refuses first, only the reference knows
	}
	return s.possible && !s.byRow && !s.ports && len(s.devices) == 0 && s.group.Mode() != berth.Daemon && !s.mirror.hasAsDevices(s.group)
}

// ofColumns finds what a row lacks in the columns: the rules of its class once, amounts row by row. Rows that lack no amounts share the list of
// their class.
func (q *asking) ofColumns(row uint32) Misfit {
	s, out := q.e.search, q.out
	m := s.mirror
	st := &m.rows[row]
	class := s.classes.all[st.class]
	lacks, from := q.lacksOf(row), len(out.lacks)
	if fits := s.fits(row); !fits || q.isBroken(row) {
		out.lacks = q.brokenAt(row, append(out.lacks, q.rulesOf(st.class)...))
		if fits {
			return Misfit{st.id, slices.Clip(out.lacks[from:])}
		}
		for _, n := range s.needs {
			free := m.amountsOf(row)[n.Dim]
			if free >= n.Amount {
				continue
			}
			l := berth.Lack{Reason: berth.Reason{Code: berth.Insufficient, Subject: m.names[n.Dim]}, Short: explain.Shortfall(n.Amount, free)}
			if int(n.Dim) >= len(class.capacity) || class.capacity[n.Dim] < n.Amount {
				l.Reason.Code = berth.TooSmall
			}
			out.lacks = append(out.lacks, l)
		}
		if m.view.Node(row).Withheld {
			out.lacks = append(out.lacks[:from], fit.Withheld(out.lacks[from:])...)
		}
		lacks = slices.Clip(out.lacks[from:])
	}
	return Misfit{st.id, lacks}
}

// rulesOf returns what a class is refused for, as a list that its nodes share.
func (q *asking) rulesOf(class int32) []berth.Lack {
	s, c := q.e.search, &q.survey.rules[class]
	if c.known {
		return c.lacks
	}
	c.known = true
	of := s.classes.all[class]
	if of.cordoned {
		c.lacks = append(c.lacks, berth.Lack{Reason: berth.Reason{Code: berth.Cordoned}})
	}
	for _, why := range s.verdict.reasons(int(class), s.group, of.node) {
		c.lacks = append(c.lacks, berth.Lack{Reason: why})
	}
	return c.lacks
}
