package placement

import "math/bits"

// Where classes are many, as they are if a strategy spreads over racks, a search does not look at each for each task: it
// keeps a winner tree of them. Each class is in it with its best row, or with a row that does not exist and is at least
// as good as any it has; such a class, if it wins, is searched, and plays again. What a task changes is the class it
// went to, and how the classes of its domains compare with others. In the tree the classes of one domain stand side by
// side, so that only the games at the ends of their span are played again: those between classes of one domain end as
// before.

// manyContenders is how many there are before a winner tree is cheaper than looking at each.
const manyContenders = 16

// games is the winner tree of a search's contenders.
type games struct {
	on      bool // whether there is one and it is up to date; nothing below means anything if not
	tree    winnerTree
	leafOf  []int32 // by contender
	before  []int32 // by index in the layout of classes, and one more: how many of the contenders stand before it
	changed []int32 // leaves above which the games are to be played again
	shut    bool    // whether contenders are out because a domain of theirs is full
}

// playAll makes the winner tree anew: O(contenders).
func (s *search) playAll() {
	s.classes.moveMisplaced() // what a class is in with must not be worse than a row that is misplaced
	s.classes.build()
	layout, k := s.counts.layoutOfClasses(), &s.games
	k.on, k.shut = true, false
	k.tree.reset(len(s.contenders))
	k.leafOf = append(k.leafOf[:0], make([]int32, len(s.contenders))...)
	k.before = k.before[:0]
	at := make([]int32, len(s.classes.all)) // of a class among the contenders, plus one
	for i := range s.contenders {
		at[s.contenders[i].class] = int32(i + 1)
	}
	n := int32(0)
	for _, class := range layout.classes {
		k.before = append(k.before, n)
		i := at[class] - 1
		if i < 0 {
			continue
		}
		c := &s.contenders[i]
		c.noted = false
		k.leafOf[i] = n
		if s.full(c) {
			k.shut = true
		} else if c.found || c.from != treeEnd {
			if c.from == treeStart {
				c.from = s.classes.all[class].head()
			}
			if !c.found {
				c.expect()
			}
			k.tree.set(int(n), i)
		}
		n++
	}
	k.before = append(k.before, n)
	k.tree.play(s)
}

// playing reports whether the contenders are in games. Where domains are preferred of which no layout of classes knows, those
// that the group prefers by and those of counters, they are not.
func (s *search) playing() bool {
	if s.split.on || len(s.contenders) < manyContenders {
		return false
	}
	for i := range s.soft {
		if s.soft[i].term == nil || s.soft[i].others {
			return false
		}
	}
	return true
}

// better is the judge of the games.
func (s *search) better(i, j int32) bool {
	a, b := &s.contenders[i], &s.contenders[j]
	s.know(a)
	s.know(b)
	if s.brief && !a.occupied && !b.occupied { // as compare has it, but in line: most games are so
		if a.firstSum != b.firstSum {
			return a.firstSum > b.firstSum
		}
		if x, y := a.key+a.keyed, b.key+b.keyed; x != y {
			return x > y
		}
		return s.rankOf(a) <= s.rankOf(b)
	}
	return s.compare(a, b) >= 0
}

// rankOf returns the rank of the row that a contender is in with.
func (s *search) rankOf(c *contender) uint32 {
	if c.found {
		return s.mirror.rows[c.row].rank
	}
	return c.from.rank
}

// replay plays again after a contender has another row, or none any more.
func (s *search) replay(i int32) {
	if c := &s.contenders[i]; !c.found && c.from == treeEnd {
		s.takeOut(i)
	} else {
		s.games.tree.replay(s, int(s.games.leafOf[i]))
	}
}

// takeOut takes a contender out of the games. What is noted of it is forgotten, for played and recount pass by who is out.
func (s *search) takeOut(i int32) {
	s.contenders[i].noted = false
	leaf := int(s.games.leafOf[i])
	s.games.tree.set(leaf, nobody)
	s.games.tree.replay(s, leaf)
}

// winner returns the contender with the best row of all, or nil if there is no row.
func (s *search) winner() *contender {
	const few = 8
	k := &s.games
	if !k.on {
		s.playAll()
	}
	for shut := 0; ; {
		i := k.tree.top()
		if i == nobody {
			return nil
		}
		c := &s.contenders[i]
		if len(s.ofClass) > 0 && s.full(c) {
			k.shut = true
			if shut++; shut > few { // a domain of many classes: take them all out at once
				s.playAll()
			} else {
				s.takeOut(i)
			}
			continue
		}
		if c.found {
			row := c.row
			if len(s.ofRow) > 0 {
				s.checkAgain(c)
			}
			if c.found && c.row == row {
				return c
			}
		} else if stands := (position{c.key, c.from.rank}); s.findNext(c) {
			if s.classes.positionOf(c.row) == stands {
				return c // with which it has won already
			}
		} else {
			var second *contender
			if j := k.tree.second(s, int(k.leafOf[i])); j != nobody {
				second = &s.contenders[j]
				s.know(second)
			}
			s.know(c)
			s.find(c, second)
		}
		s.replay(i)
	}
}

// played plays again what a task on the row of a contender has changed.
func (s *search) played(c *contender) {
	k := &s.games
	if !k.on {
		return
	}
	height := bits.Len(uint(k.tree.leaves))
	k.changed = k.changed[:0]
	if len(s.aims) > 0 && !s.changedShared(c) {
		k.on = false
		return
	}
	for a, spans := range s.counts.layout.spans {
		slot := s.slots[int(c.slots)+a]
		if slot < 0 {
			continue
		}
		if 2*height*len(spans[slot]) > k.tree.leaves {
			k.on = false // as many games as there are: all anew
			return
		}
		for _, sp := range spans[slot] {
			k.change(sp)
		}
	}
	if i, ok := s.contenderOf(c.class); ok {
		if !c.found && c.from == treeEnd {
			k.tree.set(int(k.leafOf[i]), nobody)
		}
		k.changed = append(k.changed, k.leafOf[i])
	}
	k.tree.replayAll(s, k.changed)
}

// change notes that all contenders of a span compare with others as they did not before. With one another they compare as before, so that only the games at
// the ends of their leaves are to be played again.
func (k *games) change(sp span) {
	if from, to := k.before[sp.from], k.before[sp.to]; from < to {
		k.changed = append(k.changed, from, to-1)
	}
}
