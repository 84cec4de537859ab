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
	if q.ask.Details || !q.isSimple() {
		q.askReference()
	} else {
		q.askColumns()
	}
	if q.ask.Among != nil { // among those that there are not
		slices.SortFunc(q.out.Misfits, func(a, b Misfit) int { return cmp.Compare(a.Node, b.Node) })
	}
}

// askReference lets the reference say what each row lacks.
func (q *asking) askReference() {
	e := q.e
	picker := e.caughtUp().picker.without(q.ask)
	for _, row := range q.survey.missed {
		id := e.mirror.rows[row].id
		n, _ := picker.fork.Node(id)
		lacks := picker.lacksOf(q.task, n)
		if !q.ask.Details {
			withoutDetails(lacks)
		}
		q.out.Misfits = append(q.out.Misfits, Misfit{id, lacks})
	}
}

// isSimple reports whether all that a row can lack is what its class is refused for, and amounts.
func (q *asking) isSimple() bool {
	s, r := q.e.search, q.task.Group.Requirements()
	return s.possible && !s.byRow && !s.meets && !s.ports && len(s.devices) == 0 && len(r.DomainRules) == 0 &&
		s.group.Mode() != berth.Daemon && !s.mirror.hasAsDevices(s.group)
}

// askColumns finds what rows lack in the columns: the rules of a class once, amounts row by row.
func (q *asking) askColumns() {
	s, out := q.e.search, q.out
	m := s.mirror
	q.rules()
	for _, row := range q.survey.missed {
		st := &m.rows[row]
		class := s.classes.all[st.class]
		lacks, from := q.survey.rules[st.class], len(out.lacks)
		if !s.fits(row) {
			out.lacks = append(out.lacks, lacks...)
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
		out.Misfits = append(out.Misfits, Misfit{st.id, lacks})
	}
}

// rules finds what each class is refused for, as a list that its nodes share.
func (q *asking) rules() {
	s, v := q.e.search, q.survey
	v.rules = v.rules[:0]
	for i, c := range s.classes.all {
		var lacks []berth.Lack
		if c.cordoned {
			lacks = append(lacks, berth.Lack{Reason: berth.Reason{Code: berth.Cordoned}})
		}
		if c.members > 0 {
			for _, why := range s.verdict.reasons(i, s.group, c.node) {
				lacks = append(lacks, berth.Lack{Reason: why})
			}
		}
		v.rules = append(v.rules, lacks)
	}
}
