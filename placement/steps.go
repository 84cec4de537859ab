package placement

import (
	"iter"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// steps is what a plan picked and undid, in order. It is kept in pages, so that a first plan of many tasks does not
// copy what it has grown.
type steps struct {
	pages [][]step
	size  int
	last  map[string]int // the last step of each task, of the first told steps
	told  int            // at most n

	names   store.Set     // of the groups of the first counted steps, and of those that were asked about
	groups  []pickedGroup // as names has them
	before  []int32       // of each counted step: the step before it of the same group, or -1
	counted int

	// Of steps that are instances of daemon groups with plain names, each made by one call that returned: ascending, not
	// empty, with no step in common, none beyond n. The undoing of one is a step of its own, in none of them.
	covers []stepRange
}

// stepRange is the steps from one on to before another.
type stepRange struct{ from, to int }

// step is a pick, or its undoing, or a pick that was undone and is again.
type step struct {
	task   berth.Task
	grant  *berth.Grant
	row    uint32
	undone bool
	again  bool
}

// pickedGroup is how many tasks of a group's name are picked, and not undone, and the last step of one.
type pickedGroup struct {
	tasks int
	last  int32
}

const stepsAPage = 1 << 10

// add adds a step, which is empty yet.
func (s *steps) add() *step {
	if s.size == len(s.pages)*stepsAPage {
		s.pages = append(s.pages, make([]step, stepsAPage))
	}
	s.size++
	return s.at(s.size - 1)
}

func (s *steps) at(i int) *step { return &s.pages[i/stepsAPage][i%stepsAPage] }

// truncate forgets all but the first n steps.
func (s *steps) truncate(n int) {
	for s.size > n {
		s.size--
		*s.at(s.size) = step{}
	}
	s.last, s.told, s.covers = nil, 0, s.covers[:0]
	s.names.Clear()
	s.groups, s.before, s.counted = s.groups[:0], s.before[:0], 0
}

// reset forgets all, and keeps room for a plan as large as the last, a page at least.
func (s *steps) reset() {
	s.pages = s.pages[:min(max((s.size+stepsAPage-1)/stepsAPage, 1), len(s.pages))]
	for _, page := range s.pages {
		used := min(s.size, stepsAPage)
		clear(page[:used])
		s.size -= used
	}
	s.last, s.told, s.covers = nil, 0, s.covers[:0]
	s.names.Clear()
	s.groups, s.before, s.counted = s.groups[:0], s.before[:0], 0
}

// picked returns the tasks of a group's name that are picked and not undone.
func (s *steps) picked(g *berth.Group) pickedGroup {
	at, last := -1, (*berth.Group)(nil)
	for ; s.counted < s.size; s.counted++ {
		st := s.at(s.counted)
		if at < 0 || last != st.task.Group { // the next step is likely to be of the same group
			last = st.task.Group
			at = s.indexOf(last.Name())
		}
		of := &s.groups[at]
		s.before = append(s.before, of.last)
		of.last = int32(s.counted)
		if st.undone {
			of.tasks--
		} else {
			of.tasks++
		}
	}
	return s.groups[s.indexOf(g.Name())]
}

// of yields the steps of a group's name, the latest first: picks, and their undoing.
func (s *steps) of(g *berth.Group) iter.Seq[*step] {
	return func(yield func(*step) bool) {
		for i := s.picked(g).last; i >= 0; i = s.before[i] {
			if !yield(s.at(int(i))) {
				return
			}
		}
	}
}

func (s *steps) indexOf(name string) int {
	at, added := s.names.Add(store.Hash(name), name)
	if added {
		s.groups = append(s.groups, pickedGroup{last: -1})
	}
	return at
}

// pickOf returns the step that picked a task, or nil if there is none or it was undone. What was picked lately is found
// by looking back; where that fails all steps are indexed, once each.
func (s *steps) pickOf(task string) *step {
	const back = 32
	for i := s.size - 1; i >= max(s.size-back, s.told); i-- {
		if st := s.at(i); st.task.ID == task {
			return st.pick()
		}
	}
	if s.told == 0 && s.size <= back {
		return nil
	}
	if s.last == nil {
		s.last = make(map[string]int, s.size)
	}
	for ; s.told < s.size; s.told++ {
		s.last[s.at(s.told).task.ID] = s.told
	}
	if i, ok := s.last[task]; ok {
		return s.at(i).pick()
	}
	return nil
}

// isPlain reports whether the IDs of a daemon group's instances cannot be those of another such group's: an ID is the
// name, an "@" and the node's ID.
func isPlain(g *berth.Group) bool { return !strings.Contains(g.Name(), "@") }

// covered notes that all steps from one on are instances of a daemon group.
func (s *steps) covered(g *berth.Group, from int) {
	if from < s.size && isPlain(g) {
		s.covers = append(s.covers, stepRange{from, s.size})
	}
}

// picksLike returns the tasks picked by IDs that instances of a daemon group can have, other than as its instances. It
// passes by the instances of other groups where it can. It tells the row of each.
func (s *steps) picksLike(g *berth.Group) (picked map[string]uint32) {
	prefix, covers := g.On("").ID, s.covers
	if !isPlain(g) {
		covers = nil
	}
	for i := 0; i < s.size; i++ {
		if len(covers) > 0 && covers[0].from == i {
			i, covers = covers[0].to-1, covers[1:]
			continue
		}
		switch st := s.at(i); {
		case !strings.HasPrefix(st.task.ID, prefix):
		case st.undone:
			delete(picked, st.task.ID)
		default:
			if picked == nil {
				picked = map[string]uint32{}
			}
			picked[st.task.ID] = st.row
		}
	}
	return picked
}

// pick returns a step that is a pick, and nil for one that undoes.
func (st *step) pick() *step {
	if st.undone {
		return nil
	}
	return st
}
