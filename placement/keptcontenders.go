package placement

import (
	"slices"

	"github.com/berth-sched/berth"
)

// keptContenders is the classes that groups may use where every row is rated and no tasks are counted: that follows from what a group asks for and from the
// classes alone, and to find it out again for each task would cost as much as to place it.
type keptContenders struct {
	version, inhabited uint64 // those of the index of classes
	of                 map[*berth.Requirements]*enteredGroup
	n                  int // contenders of all
}

// enteredGroup is what enter finds.
type enteredGroup struct {
	verdict    *verdict
	served     []served
	contenders []contender
	places     []int32
}

const (
	maxEntered    = 1 << 12 // groups, and
	maxContenders = 1 << 15 // contenders that are kept; beyond either they begin anew
)

// enterKept finds the classes that the group may use among what was kept, if they are there.
func (s *search) enterKept() bool {
	k := &s.kept
	if k.version != s.classes.version || k.inhabited != s.classes.inhabited {
		return false
	}
	e := k.of[s.group.Requirements()]
	if e == nil {
		return false
	}
	s.verdict, s.served, s.places = e.verdict, e.served, e.places
	s.contenders = append(s.contenders, e.contenders...)
	return true
}

// keepContenders keeps what enter has found.
func (s *search) keepContenders() {
	k := &s.kept
	if k.of == nil || k.version != s.classes.version || k.inhabited != s.classes.inhabited || len(k.of) >= maxEntered || k.n > maxContenders {
		*k = keptContenders{s.classes.version, s.classes.inhabited, map[*berth.Requirements]*enteredGroup{}, 0}
	}
	s.places = s.placesIn(nil)
	k.of[s.group.Requirements()] = &enteredGroup{s.verdict, s.served, slices.Clone(s.contenders), s.places}
	k.n += len(s.contenders)
}

// placesIn returns, by class, the place of its contender, or -1 if there is none or its devices never serve.
func (s *search) placesIn(places []int32) []int32 {
	for range s.classes.all {
		places = append(places, -1)
	}
	for i := range s.contenders {
		if c := &s.contenders[i]; !s.neverServes(c.class) {
			places[c.class] = int32(i)
		}
	}
	return places
}
