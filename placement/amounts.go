package placement

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/berth-sched/berth/internal/lex"
)

// OfAmounts rates a node by what is free before the task is placed, its capacity and what the task takes. The slices are indexed
// alike, by the resources that [Term.Over] names; unless it does they have all resources in an order of berth's own, so that
// only what treats all alike can do without. A device class is a resource by its units. A resource that a node does not have has a
// capacity of zero. The slices are good until the function returns, and must not be changed.
//
// The formulas of other systems are terms of this kind, and a host's own is rated as fast as they are. It is for what [Additive]
// cannot say, such as what is rounded, squared, or compared between resources once the task is there. The sums of all nodes are
// kept for each size that is asked for: see ENGINE.md for what that costs.
func OfAmounts(name string, rate func(free, capacity, request []int64) int64) Term {
	t := newTerm(amountsTerm, name)
	if t.ofAmounts = rate; rate == nil {
		return t.fault("no function")
	}
	return t
}

// formula is an OfAmounts term of this package.
type formula struct {
	word      string   // that it prints as
	resources []string // that it is over if none is named
	lo, hi    int64
	unweighed bool // whether all resources count alike
	scaled    bool // whether it may be told what counts as one
	shaped    bool // whether it has a shape
	make      func(p parameters) func(free, capacity, request []int64) int64
}

// parameters are what a formula is told, by resource.
type parameters struct {
	names   []string
	weights []int64
	per     []int64 // what counts as one; nil where it is the capacity of each node
	shape   Shape
}

// The greatest weight of a resource, and the most resources that a formula is over: so that no sum of what it says overflows.
const (
	mostWeight    = 1000
	mostResources = 256
)

// coresAndMemory are the resources that Kubernetes and Nomad score unless they are told otherwise.
var coresAndMemory = []string{"cpu", "memory"}

// term returns the term of a formula.
func (f *formula) term(shape Shape, resources []string) Term {
	t := newTerm(amountsTerm, f.word)
	t.formula, t.lo, t.hi = f, f.lo, f.hi
	t.shape = slices.Clone(shape)
	return t.overFormula(resources)
}

// overFormula returns the term of a formula over the named resources, which count alike.
func (t Term) overFormula(resources []string) Term {
	if len(resources) == 0 {
		resources = t.formula.resources
	}
	t.resources = slices.Clone(resources)
	t.names, t.per = t.resources, nil
	t.weights = make([]int64, len(resources))
	for i := range t.weights {
		t.weights[i] = 1
	}
	if n := len(resources); n > mostResources {
		t = t.fault("%d resources are more than %d", n, mostResources)
	}
	return t.checkNames("resource", resources).made()
}

// made returns the term of a formula with its text and function as its parameters are.
func (t Term) made() Term {
	each := make([]string, len(t.names))
	for i, name := range t.names {
		if each[i] = lex.PrintName(name); name != "" && lex.IsDigit(name[0]) {
			each[i] = `"` + name + `"` // or it would be read as a weight
		}
		if t.weights[i] != 1 {
			each[i] = fmt.Sprintf("%d %s", t.weights[i], each[i])
		}
		if t.per != nil {
			each[i] = fmt.Sprintf("%s per %d", each[i], t.per[i])
		}
	}
	t.name = t.formula.word + "(" + strings.Join(each, ", ")
	if t.formula.shaped {
		t.name += "; " + t.shape.String()
	}
	t.name += ")"
	t.ofAmounts = t.formula.make(t.parameters)
	return t
}

// Weights returns the term with weights of its resources, in the order in which they were named: how much each counts, from 1 to
// 1,000. It is for the formulas that add up or average what they say of each resource; [BalancedAllocation] has none.
func (t Term) Weights(weights ...int64) Term {
	switch {
	case t.formula == nil || t.formula.unweighed:
		return t.fault("weights: it has none")
	case len(weights) != len(t.names):
		return t.fault("weights: %d for %d resources", len(weights), len(t.names))
	}
	for i, w := range weights {
		if w < 1 || w > mostWeight {
			return t.fault("weights: %d of %q is not within 1 to %d", w, t.names[i], mostWeight)
		}
	}
	t.weights = slices.Clone(weights)
	return t.made()
}

// Per returns the term with amounts that count as one, in the order in which the resources were named, on every node: that of the
// largest node, say. Without it the capacity of each node counts as one there. It is for [DotProduct], [L1Norm] and [L2Norm].
func (t Term) Per(amounts ...int64) Term {
	switch {
	case t.formula == nil || !t.formula.scaled:
		return t.fault("per: only DotProduct, L1Norm and L2Norm have it")
	case len(amounts) != len(t.names):
		return t.fault("per: %d for %d resources", len(amounts), len(t.names))
	}
	for i, q := range amounts {
		if q < 1 {
			return t.fault("per: %d of %q is less than one", q, t.names[i])
		}
	}
	t.per = slices.Clone(amounts)
	return t.made()
}

// scale is an OfAmounts term that knows the places of its resources among the dimensions. It is for one goroutine.
type scale struct {
	term *Term
	all  bool
	at   []int // by named resource; -1 where no node has it

	free, capacity, request []int64 // kept for their room
}

// bindScales returns the OfAmounts terms of all tiers for dimensions.
func (p *policy) bindScales(names []string) []scale {
	bound := make([]scale, len(p.formulas))
	for i, t := range p.formulas {
		b := &bound[i]
		b.term, b.all = t, len(t.resources) == 0
		for _, name := range t.resources {
			b.at = append(b.at, slices.Index(names, name))
		}
		n := len(b.at)
		b.free, b.capacity, b.request = make([]int64, n), make([]int64, n), make([]int64, n)
	}
	return bound
}

// scaleOf returns an OfAmounts term with its places.
func (r *rater) scaleOf(t *Term) *scale {
	i := 0
	for r.scales[i].term != t {
		i++
	}
	return &r.scales[i]
}

// rate returns what the term says of a node.
func (b *scale) rate(free, capacity, request []int64) int64 {
	t := b.term
	if t.ofAmounts == nil {
		return 0
	}
	if !b.all {
		for i, d := range b.at {
			b.free[i], b.capacity[i], b.request[i] = 0, 0, 0
			if d >= 0 && d < len(free) && d < len(capacity) {
				b.free[i], b.capacity[i], b.request[i] = free[d], capacity[d], request[d]
			}
		}
		free, capacity, request = b.free, b.capacity, b.request
	}
	return t.clamp(t.ofAmounts(free, capacity, request))
}

// times returns part x n / whole, rounded down, for whole above 0 and n from 0 to 2^20. What is below 0 counts as 0, and what is
// beyond an int64 as the greatest.
func times(part, n, whole int64) int64 {
	switch {
	case part <= 0:
		return 0
	case part < math.MaxInt64>>20:
		return part * n / whole
	}
	return mulDiv(part, n, whole)
}

// mulDiv returns a x b / c, rounded down, all of them not below zero and c above it; at most what an int64 holds.
func mulDiv(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, math.MaxInt64))
}

// minus returns a - b, or the number nearest to it.
func minus(a, b int64) int64 {
	d := a - b
	switch {
	case b > 0 && d > a:
		return math.MinInt64
	case b < 0 && d < a:
		return math.MaxInt64
	}
	return d
}

// anyFault joins faults of a formula's parameters.
func (t Term) anyFault(err error) Term {
	if err != nil {
		t.faults = errors.Join(t.faults, fmt.Errorf("placement: term %q: %w", t.name, err))
	}
	return t
}

func sumOf(numbers []int64) (sum int64) {
	for _, n := range numbers {
		sum += n
	}
	return sum
}
