package placement

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/berth-sched/berth/internal/store"
)

// Strategy says which of the nodes that can take a task is the best. It is a list of tiers, each a weighted sum of terms:
// the nodes with the greatest sum of the first tier are compared by the second, and so on. A tier may count what is
// within a tolerance of its best as the best. Nodes that no tier tells apart are taken in an order that is shuffled by a seed, or
// in the order of their IDs. A Strategy is a value that never changes, and may be used by many goroutines. The zero Strategy is
// [BinPack].
type Strategy struct {
	name   string   // of one that is not printed by its terms
	over   []string // of such a one, the resources that its terms are over since
	tiers  []tier
	byID   bool   // whether nodes that are equally good are taken in the order of their IDs
	seed   uint64 // by which they are shuffled otherwise
	fault  error  // of a constructor, beyond those of terms
	sample int    // how many nodes are drawn to choose among; 0 for all
}

// tier is a weighted sum of terms, and how far from its best counts as the best.
type tier struct {
	terms  []Term
	within int64
}

// Best takes the nodes with the greatest sum of some terms, each times its weight; all nodes if there is no term.
func Best(terms ...Term) Strategy { return Strategy{tiers: []tier{{terms: slices.Clone(terms)}}} }

// Then compares by another sum those that are equally good so far.
func (s Strategy) Then(terms ...Term) Strategy {
	s = s.given()
	s.name, s.over, s.tiers = "", nil, append(slices.Clip(s.tiers), tier{terms: slices.Clone(terms)})
	return s
}

// Within lets every node count as the best of the last tier whose sum is not farther than this below the best.
func (s Strategy) Within(tolerance int64) Strategy {
	s = s.given()
	s.tiers = slices.Clone(s.tiers)
	s.tiers[len(s.tiers)-1].within = tolerance
	return s
}

// TiesByID takes, of nodes that are equally good, the one with the lowest ID. IDs are often ordered by rack and by model of
// machine, so this fills one rack after another.
func (s Strategy) TiesByID() Strategy {
	s = s.given()
	s.byID = true
	return s
}

// Seed takes, of nodes that are equally good, the one whose ID has the lowest hash under a seed, and of equal hashes the
// lowest ID: an order that has nothing to do with how nodes are named, always the same for a seed. It is the default, with
// seed 0. It changes nothing where [Strategy.TiesByID] is asked for.
func (s Strategy) Seed(seed uint64) Strategy {
	s = s.given()
	s.seed = seed
	return s
}

// Over returns the strategy with its InUse terms over the named resources; over all if none is named. Of [FGD], [RoomLoss] and
// [PricedGaps] it says which class of devices, or which plain resource, they keep room of: one, or none for what the mix says.
func (s Strategy) Over(resources ...string) Strategy {
	s = s.given()
	s.tiers = slices.Clone(s.tiers)
	for i := range s.tiers {
		t := &s.tiers[i]
		t.terms = slices.Clone(t.terms)
		for j := range t.terms {
			if t.terms[j].kind == inUseTerm || t.terms[j].gaps != nil {
				t.terms[j] = t.terms[j].Over(resources...)
			}
		}
	}
	switch {
	case s.isGaps():
		s.name = s.gapPolicy().String()
	case strings.HasPrefix(s.name, binPack):
		s.name = binPackOf(resources)
	case strings.HasPrefix(s.name, spread):
		s.over = slices.Clone(resources)
	}
	return s
}

// IsZero reports whether it is the zero Strategy, which a picker takes for [BinPack] and a scheduler chooses another for by its cluster.
func (s Strategy) IsZero() bool {
	return s.tiers == nil && s.fault == nil
}

// Resources returns the names of the resources and device classes that the strategy's terms name, in order and each once: none, if they go by
// all that a node has. A host that knows what its nodes have can tell by them a strategy that is misspelt. Those that a function of the host's own looks
// at are not among them.
func (s Strategy) Resources() []string {
	var names []string
	for i := range s.given().tiers {
		for _, t := range s.given().tiers[i].terms {
			names = append(names, t.resources...)
			if t.gaps != nil && t.gaps.over != "" {
				names = append(names, t.gaps.over)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// given returns s, or BinPack for the zero Strategy.
func (s Strategy) given() Strategy {
	if s.tiers == nil {
		return BinPack()
	}
	return s
}

// maxSum is how far from zero the sum of a tier may be: so that the difference of two sums is still an int64.
const maxSum = 1 << 62

// Err returns every fault of the strategy joined into one error, or nil: what is wrong with a term, a tolerance below zero, and a
// tier whose sum could be farther than 2^62 from zero, which is the sum of the terms' weights times what they reach.
func (s Strategy) Err() error {
	s = s.given()
	errs := []error{s.fault}
	for i := range s.tiers {
		t := &s.tiers[i]
		var reach uint64
		for j := range t.terms {
			term := &t.terms[j]
			errs = append(errs, term.Err())
			most := saturate(bits.Mul64(size(term.weight), term.reach()))
			sum, carry := bits.Add64(reach, most, 0)
			reach = saturate(carry, sum)
		}
		if reach > maxSum {
			errs = append(errs, fmt.Errorf("placement: tier %q: the sum can be beyond 2^62; lower the weights, or declare ranges by Between", t.sum()))
		}
		if t.within < 0 {
			errs = append(errs, fmt.Errorf("placement: tier %q: a tolerance of %d is less than none", t.sum(), t.within))
		}
	}
	return errors.Join(errs...)
}

func (t *tier) sum() string {
	if len(t.terms) == 0 {
		return "any"
	}
	texts := make([]string, len(t.terms))
	for i := range t.terms {
		texts[i] = t.terms[i].String()
	}
	return strings.Join(texts, " + ")
}

// String prints the strategy: "7 in-use(cpu) + 3 balanced within 100, then -1 tasks(zone); ties by id". BinPack and others
// that have a name print that.
func (s Strategy) String() string {
	s = s.given()
	var b strings.Builder
	b.WriteString(s.name)
	if len(s.over) > 0 {
		b.WriteString(" over " + printNames(s.over))
	}
	for i := range s.tiers {
		t := &s.tiers[i]
		if s.name == "" {
			if i > 0 {
				b.WriteString(", then ")
			}
			b.WriteString(t.sum())
		}
		if t.within != s.usualTolerance() {
			fmt.Fprintf(&b, " within %d", t.within)
		}
	}
	if s.sample != 0 {
		fmt.Fprintf(&b, "; best of %d", s.sample)
	}
	switch {
	case s.byID && s.name != firstFit:
		b.WriteString("; ties by id")
	case !s.byID && s.seed != 0:
		fmt.Fprintf(&b, "; seed %d", s.seed)
	}
	return b.String()
}

// usualTolerance returns what a tier has without being told.
func (s *Strategy) usualTolerance() int64 {
	if s.isGaps() {
		return s.gapPolicy().usualTolerance()
	}
	return 0
}

// Rescans reports whether every node is rated for every task, as a [Func] has it, so that one task can take as long as a
// walk over all nodes.
func (s Strategy) Rescans() bool {
	for _, t := range s.tiers {
		if slices.ContainsFunc(t.terms, func(t Term) bool { return t.kind == freeTerm }) {
			return true
		}
	}
	return false
}

// Resolution is what a fraction of 1 scores in [InUse].
const Resolution = 1 << 20

// BinPack fills nodes up: best fit. The score is [InUse]: the mean, over the named resources that a node has, or all of
// them, of the part in use once the task is there. It is best fit as MostAllocated in Kubernetes and the cpu-memory packer in
// Fenzo have it. On clusters with GPUs name what is scarce: packing by memory, which they have plenty of, costs room for GPUs.
func BinPack(resources ...string) Strategy {
	s := Best(InUse(resources...))
	s.name = binPackOf(resources)
	return s
}

const binPack = "binpack"

func binPackOf(resources []string) string {
	if len(resources) == 0 {
		return binPack
	}
	return binPack + "(" + printNames(resources) + ")"
}

// Spread keeps tasks apart. It prefers the node whose domain under the first attribute has the fewest of
// the group's tasks, then under the second and so on, then the node with the least in use, as [InUse] measures it.
// [berth.NodeID] as an attribute counts the tasks on the node itself. Without attributes it is worst
// fit (LeastAllocated in Kubernetes). A node that lacks an attribute comes after all that have it.
func Spread(attributes ...string) Strategy {
	s := Strategy{name: spread + "(" + printNames(attributes) + ")"}
	for i, a := range attributes {
		s.tiers = append(s.tiers, tier{terms: []Term{Tasks(a).Times(-1)}})
		if a == "" || slices.Contains(attributes[:i], a) {
			s.fault = errors.Join(s.fault, fmt.Errorf("placement: spread: attribute %q is empty or given twice", a))
		}
	}
	s.tiers = append(s.tiers, tier{terms: []Term{InUse().Times(-1)}})
	return s
}

const spread = "spread"

// FirstFit takes the first node, in the order of IDs, that can take the task.
func FirstFit() Strategy {
	s := Best().TiesByID()
	s.name = firstFit
	return s
}

const firstFit = "first fit"

// Random takes any node that can take the task, each as likely as any other, and always the same one
// for the same seed, task ID and nodes.
func Random(seed uint64) Strategy {
	return Best(randomly(seed))
}

// randomly rates a node by a hash of a seed, the task and the node.
func randomly(seed uint64) Term {
	t := Func(fmt.Sprintf("random(%d)", seed), func(c *Candidate) int64 {
		return int64(store.Mix(store.Mix(seed^store.LongHash(c.task.ID))^store.LongHash(c.id)) >> 2)
	}).Between(0, 1<<62)
	t.random = true
	return t
}
