package placement

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// Even rules compare a domain with the one that has the fewest tasks, among the domains in which the group may use a
// node. Which those are is the same for all groups of equal rules as long as no node changes; how many have how many
// tasks is a histogram that moves with each of the group's tasks. So a limit costs no more than asking the rule, however
// many domains there are.

// eligibleDomains is the domains under an attribute that have a node which groups with one set of rules may use.
type eligibleDomains struct {
	at   uint64 // mirror.described when it was made; it is good as long as that is the same
	in   []bool // by slot, or by row where the attribute is the node's ID
	size int
}

// maxEligible is how many are kept; beyond it they begin anew.
const maxEligible = 256

func (d *eligibleDomains) add(slot int32) {
	for int(slot) >= len(d.in) {
		d.in = append(d.in, false)
	}
	if !d.in[slot] {
		d.in[slot] = true
		d.size++
	}
}

func (d *eligibleDomains) has(slot int32) bool { return int(slot) < len(d.in) && d.in[slot] }

// eligibleDomains returns those of the group that is searched for. The first time since nodes changed it costs
// O(classes) if classes are told apart by the attribute and by what the group's rules read, and else O(nodes).
func (s *search) eligibleDomains(name string, over fit.Population) *eligibleDomains {
	c := s.counts
	rules := s.group.Requirements().Eligibility
	kept := rules + "\x00" + name
	if over != (fit.Population{}) {
		kept += "\x00" + over.Key()
	}
	if d := c.eligible[kept]; d != nil && d.at == s.mirror.described {
		return d
	}
	d := s.findDomains(name, over)
	if len(c.eligible) >= maxEligible {
		clear(c.eligible)
	}
	c.eligible[kept] = d
	return d
}

// findDomains finds the eligible domains.
func (s *search) findDomains(name string, over fit.Population) *eligibleDomains {
	c, d := s.counts, &eligibleDomains{at: s.mirror.described}
	id := s.mirror.attrs.ID(name)
	values := c.numbers(id)
	if over == (fit.Population{}) && !s.byRow && name != berth.NodeID && s.classes.isLow(name) {
		for i, k := range s.classes.all {
			if v, ok := k.attr(id); ok && k.members > 0 && s.verdict.ok[i] {
				d.add(values.slot(v))
			}
		}
	} else {
		var slots []int32
		if name != berth.NodeID {
			slots = c.slotsByRow(values, id)
		}
		for row := range s.mirror.rows {
			slot := int32(row)
			if slots != nil {
				slot = slots[row]
			}
			class := s.mirror.rows[row].class
			if slot < 0 || d.has(slot) || class < 0 {
				continue
			}
			eligible := false
			switch st := &s.mirror.rows[row]; {
			case over != (fit.Population{}):
				eligible = over.Has(s.group, st.node.Spec, st.cordoned)
			case s.byRow:
				eligible = s.eligible(uint32(row))
			default:
				eligible = s.verdict.ok[class]
			}
			if eligible {
				d.add(slot)
			}
		}
	}
	return d
}

// histogram is how many of the eligible domains have how many of a group's tasks. The sum of with is of.n, and with[least]
// is not 0 while of.n is not.
type histogram struct {
	of    *eligibleDomains // which does not change: where others are eligible there is another histogram
	with  []int            // by tasks, as far as a domain has had any number
	least int              // that a domain has; 0 if there is no domain
	total int              // that all of them have
	next  *histogram       // of the same tasks over other domains
}

// newHistogram is one of domains without tasks.
func newHistogram(of *eligibleDomains) *histogram { return &histogram{of: of, with: []int{of.size}} }

// move notes that the tasks of a domain were some number and are another, in all histograms of the tasks. Nobody asked for a
// histogram of nil.
func (h *histogram) move(slot int32, was, is int) {
	for ; h != nil; h = h.next {
		h.moveOne(slot, was, is)
	}
}

func (h *histogram) moveOne(slot int32, was, is int) {
	if !h.of.has(slot) {
		return
	}
	for len(h.with) <= is {
		h.with = append(h.with, 0)
	}
	h.with[was]--
	h.with[is]++
	h.total += is - was
	h.least = min(h.least, is)
	for h.with[h.least] == 0 {
		h.least++
	}
}

func (h *histogram) domains() berth.Domains {
	return berth.Domains{Number: h.of.size, Least: h.least, Total: h.total}
}

// histogramOf returns the histogram of a rule's domains, made of the counts if it is the first to ask.
func (s *search) histogramOf(r *countRule) *histogram {
	var kept **histogram
	if r.domain != nil {
		kept = &r.domain.histogram
	} else {
		kept = &s.own.histogram
	}
	of := s.eligibleDomains(r.rule.Domain(), r.over)
	if h := toFront(kept, of); h != nil {
		return h
	}
	h := newHistogram(of)
	switch {
	case r.domain == nil:
		for _, on := range s.own.hosts {
			h.move(int32(on.row), 0, on.tasks)
		}
	case r.domain.onNodes != nil:
		for _, row := range r.counter.inUse() {
			h.move(row, 0, r.domain.in(row))
		}
	default:
		for slot, tasks := range r.domain.tasks {
			h.move(int32(slot), 0, tasks)
		}
	}
	h.next, *kept = *kept, h
	return h
}

// populations is how many histograms of the same tasks one group can ask for: it compares domains of one of so many populations.
const populations = 4

// toFront makes the histogram over some domains the first of its kind, and forgets those beyond what a group asks for. It returns
// nil if there is none over these.
func toFront(kept **histogram, of *eligibleDomains) *histogram {
	at := kept
	for n := 1; *at != nil; n++ {
		h := *at
		if h.of == of {
			*at, h.next = h.next, nil
			h.next, *kept = *kept, h
			return h
		}
		if n == populations {
			h.next = nil
		}
		at = &h.next
	}
	return nil
}

// layout is the classes in such an order that those of one domain under the strategy's attributes stand side by side,
// as far as they can: by the attribute with the fewest domains first. A winner tree of classes in this order has to
// play few games again when the tasks of a domain change.
type layout struct {
	version uint64     // classIndex.version when it was made; it is good as long as that is the same
	classes []int32    // in order
	slots   []int32    // class x attributes: its slots in their domains, -1 for none
	spans   [][][]span // by attribute and slot: where the classes of the domain stand
}

// span is the indices in a layout from one on to before another.
type span struct{ from, to int32 }

// layoutOfClasses returns the layout of the classes there are.
func (c *groupCounts) layoutOfClasses() *layout {
	if c.layout == nil || c.layout.version != c.classes.version {
		c.layout = c.newLayout()
	}
	return c.layout
}

func (c *groupCounts) newLayout() *layout {
	n := len(c.keys)
	l := &layout{version: c.classes.version, spans: make([][][]span, n)}
	order := make([]int, n)
	for a := range order {
		order[a] = a
	}
	for i, k := range c.classes.all {
		l.classes = append(l.classes, int32(i))
		for _, key := range c.keys {
			slot := int32(-1)
			if v, ok := k.attr(key); ok {
				slot = c.numbers(key).slot(v)
			}
			l.slots = append(l.slots, slot)
		}
	}
	domains := func(a int) int { return len(c.numbers(c.keys[a]).slots) }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(domains(a), domains(b)) })
	slotsOf := func(class int32) []int32 { return l.slots[int(class)*n : int(class+1)*n] }
	slices.SortStableFunc(l.classes, func(a, b int32) int {
		for _, i := range order {
			if c := cmp.Compare(slotsOf(a)[i], slotsOf(b)[i]); c != 0 {
				return c
			}
		}
		return 0
	})
	for a := range n {
		for at, class := range l.classes {
			slot := slotsOf(class)[a]
			if slot < 0 {
				continue
			}
			for int(slot) >= len(l.spans[a]) {
				l.spans[a] = append(l.spans[a], nil)
			}
			spans := l.spans[a][slot]
			if k := len(spans); k > 0 && int(spans[k-1].to) == at {
				spans[k-1].to++
			} else {
				l.spans[a][slot] = append(spans, span{int32(at), int32(at + 1)})
			}
		}
	}
	return l
}
