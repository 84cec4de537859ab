package store

import (
	"cmp"
	"iter"
	"slices"
	"strconv"

	"github.com/berth-sched/berth"
)

// Rules may be about the tasks of other groups, whom a selector chooses. So there are counters: of the tasks that one selector
// chooses, or of those that refuse them, by the values of one attribute. All who ask for the same share one. A counter is made
// when it is first asked for, at the cost of the tasks that it counts, and follows them from then on: a task costs one
// increment for each that counts it. Once no group in the store asks for it any more it goes.
//
// Counters follow from the groups and tasks that there are. So nothing about them is taken down to be taken back: what takes
// back the rest moves them along, and one that is not there is made anew.

// ByNode is the attribute of counters for which every node is a domain of its own. They count by row.
const ByNode = ^uint32(0)

// CounterKey is what tells counters apart.
type CounterKey struct {
	Of        berth.Selector
	Attribute uint32 // interned, or ByNode
	// Refusing counters count the tasks whose group has a rule that keeps it apart from those selected, and others those
	// selected.
	Refusing        bool
	WithoutStopping bool // tasks that are stopping do not count
}

func (k *CounterKey) text() string {
	flags := "p"
	if k.Refusing {
		flags = "r"
	}
	if k.WithoutStopping {
		flags += "w"
	}
	return flags + strconv.FormatUint(uint64(k.Attribute), 10) + " " + k.Of.String()
}

// Counter is how many tasks there are in which domains.
type Counter struct {
	Key   CounterKey
	tally tally
	text  string // of the key; empty where the slot is free
	born  uint64 // tells it from others that were in the slot
	users int    // groups in the store that ask for it
	life  uint32 // how often counters in the slot have lost their last user
	next  uint32 // where the slot is free, the next that is
}

// Total returns how many tasks the counter counts in all.
func (c *Counter) Total() int { return c.tally.total }

// Domains returns in how many domains they are.
func (c *Counter) Domains() int { return c.tally.keys }

// Tasks returns how many of them are on nodes with one value of the attribute, or on a row if every node is a domain.
func (c *Counter) Tasks(domain uint32) int { return int(c.tally.at(domain)) }

// All yields the domains that have any of the tasks, and how many, in ascending order of their numbers.
func (c *Counter) All() iter.Seq2[uint32, int32] { return c.tally.all() }

// Born tells the counter from another that had its place before or has it later.
func (c *Counter) Born() uint64 { return c.born }

// domain returns the number of the domain that a node is in.
func (c *Counter) domain(row uint32, n *Node) (uint32, bool) {
	if c.Key.Attribute == ByNode {
		return row, true
	}
	return n.Attr(c.Key.Attribute)
}

// A term is what selectors ask for and groups have: a label, key and value. Those selectors that may do without any stand under
// the term anyTerm, which no group has.
type term struct {
	text     string // empty where the slot is free
	groups   tally  // that have the label
	counters tally  // whose selector needs it, or one of several
	next     uint32 // where the slot is free, the next that is
}

const anyTerm = "\x00"

func termText(key, value string) string { return key + "\x00" + value }

// nameTerm is what counters of the tasks of one group stand under, whose own group has no such term: it is found by its name. No label
// has the empty key.
func nameTerm(group string) string { return termText("", group) }

// spareCounters is how many counters stay that no group in the store asks for: who asks may be a group whose tasks come and go, or
// one that has none yet.
const spareCounters = 32

// counting is the counters of a view.
type counting struct {
	counters    Array[Counter]
	byCounter   index
	freeCounter uint32

	terms    Array[term]
	byTerm   index
	freeTerm uint32

	unused list   // mentions counters without users, the longest so first, and some that have users again or are gone
	idle   int    // how many have no users
	epoch  uint64 // another whenever a counter is made or goes
}

// CounterEpoch returns a number that is another whenever a counter has been made or has gone.
func (v *View) CounterEpoch() uint64 { return v.epoch }

// HasCounters reports whether there are counters at all.
func (v *View) HasCounters() bool { return v.byCounter.live > 0 }

// Counter returns a counter to be read.
func (v *View) Counter(slot uint32) *Counter { return v.counters.At(int(slot)) }

// FindCounter returns the counter of a key.
func (v *View) FindCounter(key CounterKey) (uint32, bool) {
	if v.byCounter.live == 0 {
		return 0, false
	}
	text := key.text()
	return v.byCounter.find(Hash(text), text, v.counterText)
}

func (v *View) counterText(slot uint32) string {
	if int(slot) >= v.counters.Len() {
		return ""
	}
	return v.Counter(slot).text
}

func (v *View) termText(slot uint32) string {
	if int(slot) >= v.terms.Len() {
		return ""
	}
	return v.terms.At(int(slot)).text
}

func (v *View) findTerm(text string) (uint32, bool) {
	return v.byTerm.find(Hash(text), text, v.termText)
}

// Refusing returns the counters of tasks that refuse those of a group, in an order that depends on their keys only.
func (v *View) Refusing(g *berth.Group) []uint32 {
	slots := slices.DeleteFunc(v.matching(g), func(slot uint32) bool { return !v.Counter(slot).Key.Refusing })
	slices.SortFunc(slots, func(a, b uint32) int {
		x, y := &v.Counter(a).Key, &v.Counter(b).Key
		return cmp.Or(cmp.Compare(v.attributeName(x), v.attributeName(y)), cmp.Compare(x.text(), y.text()))
	})
	return slots
}

func (v *View) attributeName(k *CounterKey) string {
	if k.Attribute == ByNode {
		return berth.NodeID
	}
	return v.attrs.Text(k.Attribute)
}

// matching returns the counters whose selector chooses a group, in ascending order of their numbers.
func (v *View) matching(g *berth.Group) (slots []uint32) {
	if v.byCounter.live == 0 || g.Err() != nil {
		return nil
	}
	under := func(text string) {
		if at, ok := v.findTerm(text); ok {
			for slot := range v.terms.At(int(at)).counters.all() {
				if v.Counter(slot).Key.Of.Matches(g) {
					slots = append(slots, slot)
				}
			}
		}
	}
	under(anyTerm)
	under(nameTerm(g.Name()))
	for key, value := range g.Labels() {
		under(termText(key, value))
	}
	slices.Sort(slots)
	return slices.Compact(slots)
}

// Selected returns the groups that a selector chooses, in ascending order of their numbers.
func (v *View) Selected(of berth.Selector) (groups []uint32) {
	if name, ok := of.Group(); ok {
		if id, ok := v.FindGroup(name); ok && id != Holds {
			for _, kin := range v.Kin(id) {
				if g := v.Group(kin); g.registered && of.Matches(g.Spec) {
					groups = append(groups, kin)
				}
			}
		}
		slices.Sort(groups)
		return groups
	}
	needs, ok := of.Needs()
	if !ok {
		for id := range uint32(v.groups.Len()) {
			if g := v.Group(id); g.registered && of.Matches(g.Spec) {
				groups = append(groups, id)
			}
		}
		return groups
	}
	for _, label := range needs {
		if at, ok := v.findTerm(termText(label[0], label[1])); ok {
			for id := range v.terms.At(int(at)).groups.all() {
				if of.Matches(v.Group(id).Spec) {
					groups = append(groups, id)
				}
			}
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// Asking returns the groups that ask for a counter, in ascending order of their numbers: O(groups).
func (v *View) Asking(key CounterKey) (groups []uint32) {
	for id := range uint32(v.groups.Len()) {
		if slices.Contains(v.Group(id).Asks, key) {
			groups = append(groups, id)
		}
	}
	return groups
}

// Ask returns the counters of some keys, which are made if they are not there. Those that no group in the store asks for stay
// for a while.
func (s *Store) Ask(keys []CounterKey) []uint32 {
	slots := make([]uint32, len(keys))
	for i := range keys {
		slot, ok := s.FindCounter(keys[i])
		if !ok {
			slot = s.makeCounter(keys[i])
			s.idle++
		}
		if s.Counter(slot).users == 0 {
			s.mentionUnused(slot)
		}
		slots[i] = slot
	}
	s.shedCounters(len(keys))
	return slots
}

// mentionUnused makes a counter without users the one that was asked for last.
func (s *Store) mentionUnused(slot uint32) {
	c := s.counters.mutAt(s.token, int(slot))
	c.life++
	s.unused.add(mention{slot, c.life})
	if untidy(s.unused.len(), s.idle) {
		s.unused.tidy(s.idle, s.isUnused)
	}
}

func (v *View) isUnused(m mention) bool {
	c := v.Counter(m.slot)
	return c.text != "" && c.users == 0 && c.life == m.life
}

// shedCounters drops counters without users, but for those that are spared: so many at least, those that were asked for last. It
// waits while there are changes to take back, which may bring users back.
func (s *Store) shedCounters(spared int) {
	if spared = max(spared, spareCounters); s.idle <= spared || s.postponed() {
		return
	}
	for m := range s.unused.all() {
		if s.idle > spared && s.isUnused(m) {
			s.dropCounter(m.slot)
			s.idle--
		}
	}
	s.unused.tidy(s.idle, s.isUnused)
}

// makeCounter makes a counter, and counts what is there: O(the tasks that it counts).
func (s *Store) makeCounter(key CounterKey) uint32 {
	slot := s.freeCounter
	if slot == None {
		slot = uint32(s.counters.grow(s.token))
	} else {
		s.freeCounter = s.Counter(slot).next
	}
	c := s.counters.mutAt(s.token, int(slot))
	*c = Counter{Key: key, text: key.text(), born: newIdentity(), life: c.life}
	s.byCounter.insert(slot, Hash(c.text), func(slot, hash uint32) bool {
		text := s.counterText(slot)
		return text != "" && Hash(text) == hash
	})
	s.epoch = newIdentity()
	s.eachTerm(&key, func(text string) { s.termAt(text).counters.add(s.token, slot, 1) })
	if key.Refusing { // whoever refuses asks for the counter, and would have had it made
		return slot
	}
	for _, id := range s.Selected(key.Of) {
		g := s.group(id)
		g.moves = append(slices.Clip(g.moves), slot)
		for of := range s.Members(id) {
			if r := s.Record(of); r.Row != None && !(key.WithoutStopping && isStopping(r.State)) {
				if domain, ok := c.domain(r.Row, s.Node(r.Row).Node); ok {
					c.tally.add(s.token, domain, 1)
				}
			}
		}
	}
	return slot
}

func isStopping(state uint8) bool { return berth.TaskState(state) == berth.Stopping }

// dropCounter drops a counter without users: O(the groups that it counts).
func (s *Store) dropCounter(slot uint32) {
	c := s.counters.mutAt(s.token, int(slot))
	key := c.Key
	if !key.Refusing { // the groups of one that refuses are its users
		for _, id := range s.Selected(key.Of) {
			g := s.group(id)
			g.moves = slices.DeleteFunc(slices.Clone(g.moves), func(x uint32) bool { return x == slot })
		}
	}
	s.eachTerm(&key, func(text string) {
		s.termAt(text).counters.add(s.token, slot, -1)
		s.dropTerm(text)
	})
	s.byCounter.remove(slot, Hash(c.text))
	*c = Counter{next: s.freeCounter, life: c.life}
	s.freeCounter = slot
	s.epoch = newIdentity()
}

// eachTerm tells under which terms a counter stands, each once.
func (s *Store) eachTerm(key *CounterKey, f func(text string)) {
	if name, ok := key.Of.Group(); ok {
		f(nameTerm(name))
		return
	}
	needs, ok := key.Of.Needs()
	if !ok {
		f(anyTerm)
		return
	}
	var texts []string
	for _, label := range needs {
		texts = append(texts, termText(label[0], label[1]))
	}
	slices.Sort(texts)
	for _, text := range slices.Compact(texts) {
		f(text)
	}
}

// termAt returns a term to be written, which is made if it is not there.
func (s *Store) termAt(text string) *term {
	if at, ok := s.findTerm(text); ok {
		return s.terms.mutAt(s.token, int(at))
	}
	slot := s.freeTerm
	if slot == None {
		slot = uint32(s.terms.grow(s.token))
	} else {
		s.freeTerm = s.terms.At(int(slot)).next
	}
	t := s.terms.mutAt(s.token, int(slot))
	*t = term{text: text}
	s.byTerm.insert(slot, Hash(text), func(slot, hash uint32) bool {
		text := s.termText(slot)
		return text != "" && Hash(text) == hash
	})
	return t
}

// dropTerm drops a term if nothing stands under it.
func (s *Store) dropTerm(text string) {
	at, ok := s.findTerm(text)
	if !ok {
		return
	}
	t := s.terms.mutAt(s.token, int(at))
	if t.groups.keys+t.counters.keys > 0 {
		return
	}
	s.byTerm.remove(at, Hash(text))
	*t = term{next: s.freeTerm}
	s.freeTerm = at
}

// register makes counters know a group that has come.
func (s *Store) register(id uint32) {
	g := s.group(id)
	if g.Spec.Err() != nil {
		return
	}
	var moves []uint32
	for _, key := range g.Asks {
		slot, ok := s.FindCounter(key)
		if !ok {
			slot = s.makeCounter(key)
		}
		c := s.counters.mutAt(s.token, int(slot))
		if c.users++; c.users == 1 && ok {
			s.idle--
		}
		if key.Refusing {
			moves = append(moves, slot)
		}
	}
	for key, value := range g.Spec.Labels() {
		s.termAt(termText(key, value)).groups.add(s.token, id, 1)
	}
	for _, slot := range s.matching(g.Spec) {
		if !s.Counter(slot).Key.Refusing {
			moves = append(moves, slot)
		}
	}
	slices.Sort(moves)
	g = s.group(id)
	g.moves, g.registered = moves, true
}

// unregister makes counters forget a group that goes. It has no tasks any more.
func (s *Store) unregister(id uint32) {
	g := s.group(id)
	if !g.registered {
		return
	}
	for key, value := range g.Spec.Labels() {
		text := termText(key, value)
		s.termAt(text).groups.add(s.token, id, -1)
		s.dropTerm(text)
	}
	g.moves, g.registered = nil, false
	for _, key := range g.Asks {
		slot, _ := s.FindCounter(key)
		c := s.counters.mutAt(s.token, int(slot))
		if c.users--; c.users == 0 {
			s.idle++
			s.mentionUnused(slot)
		}
	}
	s.shedCounters(0)
}

// countMoves moves the counters that count a group's tasks, for one of a state that comes to a row or, with a sign of -1,
// leaves it.
func (s *Store) countMoves(g *Group, row uint32, n *Node, state uint8, sign int32) {
	for _, slot := range g.moves {
		if c := s.Counter(slot); !(c.Key.WithoutStopping && isStopping(state)) {
			s.countMove(slot, c, row, n, sign)
		}
	}
}

func (s *Store) countMove(slot uint32, c *Counter, row uint32, n *Node, sign int32) {
	if domain, ok := c.domain(row, n); ok {
		s.counters.mutAt(s.token, int(slot)).tally.add(s.token, domain, sign)
	}
}

// countMark moves the counters that tasks which are stopping do not count in, for a task whose state was another. That a task
// begins to stop, or stops no more, is logged whether one does or not: a plan may be for a group that asks for the first.
func (s *Store) countMark(r *Record, was uint8) {
	if r.Group == Holds || r.Row == None || isStopping(was) == isStopping(r.State) {
		return
	}
	sign := int32(1)
	if isStopping(r.State) {
		sign = -1
	}
	for _, slot := range s.Group(r.Group).moves {
		if c := s.Counter(slot); c.Key.WithoutStopping {
			s.countMove(slot, c, r.Row, s.Node(r.Row).Node, sign)
		}
	}
	s.changed(r.Row, r.Group)
}
