// Package explain has the arithmetic of explanations, which package cluster and the index of package placement both do: how
// much is missing, and which of two nodes came closer to taking a task.
package explain

import (
	"cmp"
	"math"
	"math/bits"

	"github.com/berth-sched/berth"
)

// Shortfall returns what is missing of an amount of which less is free. A difference beyond an int64 counts as the
// greatest one.
func Shortfall(amount, free int64) int64 {
	if short := amount - free; short > 0 {
		return short
	}
	return math.MaxInt64
}

// Miss says how far a node is from taking a task, to be compared as [cluster.NearMiss] says.
type Miss struct {
	Rules int // reasons that more room would not cure
	Rooms int // reasons that it would
	// Of the resources that are short, the one of which the greatest part of the request is missing: Short of Need. Both
	// are 0 where none is, so the zero Miss is that of a node that lacks nothing.
	Short, Need uint64
}

// Lack adds that less than an amount is free.
func (m *Miss) Lack(amount, free int64) { m.LackBy(amount, Shortfall(amount, free)) }

// LackBy adds that so much of an amount is missing.
func (m *Miss) LackBy(amount, short int64) {
	m.Rooms++
	if m.Short == 0 || less(m.Short, m.Need, uint64(short), uint64(amount)) {
		m.Short, m.Need = uint64(short), uint64(amount)
	}
}

// Compare is negative if m is nearer than o: fewer rules, then less room in the way, then the lesser part missing.
func (m Miss) Compare(o Miss) int {
	if m.Rules != o.Rules {
		return cmp.Compare(m.Rules, o.Rules)
	}
	if m.Rooms != o.Rooms {
		return cmp.Compare(m.Rooms, o.Rooms)
	}
	need, needed := max(m.Need, 1), max(o.Need, 1) // nothing short is no part
	switch {
	case less(m.Short, need, o.Short, needed):
		return -1
	case less(o.Short, needed, m.Short, need):
		return 1
	}
	return 0
}

// less reports whether a/b < c/d, exactly.
func less(a, b, c, d uint64) bool {
	h1, l1 := bits.Mul64(a, d)
	h2, l2 := bits.Mul64(c, b)
	return h1 < h2 || h1 == h2 && l1 < l2
}

// Compare is negative if a reason that holds for aNodes nodes is told before another one: most nodes first, then by code and subject.
func Compare(aNodes int, a berth.Reason, bNodes int, b berth.Reason) int {
	return cmp.Or(cmp.Compare(bNodes, aNodes), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Subject, b.Subject))
}

// Texts keeps texts that explanations have in common, since nodes come in few sizes and tasks that fail come in many. The zero
// value is ready, and nil keeps nothing. It is for one goroutine.
type Texts struct{ inAll map[amount]string }

type amount struct {
	resource string
	quantity int64
}

// InAll says how much of a resource a node has in all.
func (t *Texts) InAll(resource string, all int64) string {
	const most = 1 << 10 // texts to keep; beyond it they are made anew
	key := amount{resource, all}
	if t != nil {
		if text, ok := t.inAll[key]; ok {
			return text
		}
	}
	text := "it has " + berth.FormatQuantity(resource, all) + " in all"
	if t != nil {
		if t.inAll == nil || len(t.inAll) == most {
			t.inAll = map[amount]string{}
		}
		t.inAll[key] = text
	}
	return text
}
