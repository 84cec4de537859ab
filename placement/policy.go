package placement

import (
	"math"
	"slices"

	"github.com/berth-sched/berth"
)

// policy is a strategy and what follows from what its terms declare. It never changes.
type policy struct {
	strategy Strategy
	tiers    []tier // the strategy's, and the place of the preferences

	ordered    bool // whether one order of the nodes of a class serves every request
	static     bool // whether what all terms say follows from the node's state, its class and the request
	direct     bool // whether all that tells the nodes of a class apart is in one tier and follows from amounts,
	directTier int  // which is that
	tolerant   bool // whether a tier has a tolerance
	looks      bool // whether a term may look at devices
	grants     bool // whether a term may tell one grant of a node's devices from another
	byPlace    bool // whether of equally good grants the one with the device is taken that is first on the node
	models     bool // whether one rates the models of devices
	plain      bool // whether the sum of every tier tells what each of its terms says
	early      bool // whether one but the last has
	simple     bool // whether it looks at nothing of a node but amounts, and one order of a class serves: see beginPlain
	keyed      int  // if ordered, the tier with the additive terms; the last if there are none
	byNode     bool // whether tasks are counted by node
	nodesLast  bool // whether the nodes of a class that have tasks come after those without, by nodeTerm of nodeTier
	nodeTier   int
	nodeTerm   *Term
	several    bool     // whether there are others that count tasks by node
	attributes []string // the other attributes that tasks are counted by, each once
	reads      []string // the attributes that terms look at
	rules      []*Term  // the terms of rules
	chooses    bool     // whether one of them counts tasks that it chooses
	changes    []*Term  // those of Change
	aimed      []*Term  // those of Targets
	quick      *Term    // that of gaps, in quickTier, if no other may look at devices
	quickTier  int
	lone       bool     // whether there are no others but preferences
	tuned      *tuning  // what terms that learn go by, which is the picker's to set; nil for nothing
	formulas   []*Term  // those of amounts
	clusters   []string // the classes of devices by whose tasks terms rate nodes
	preferring []int64  // by tier: the weight of what the group prefers
	counting   []bool   // by tier: whether it has a term of Tasks
}

// onNode stands for berth.NodeID where attributes are given by their places.
const onNode = -1

// policyOf returns the policy of a strategy.
func policyOf(s Strategy) *policy {
	s = s.given()
	p := &policy{strategy: s, tiers: s.tiers, keyed: -1, nodeTier: -1, ordered: true, static: true}
	if !p.mentions(preferencesTerm) {
		p.tiers = append([]tier{{terms: []Term{Preferences()}}}, s.tiers...)
	}
	p.plain = true
	p.preferring, p.counting = make([]int64, len(p.tiers)), make([]bool, len(p.tiers))
	for i := range p.tiers {
		p.plain = p.plain && p.tiers[i].tells()
		if p.tiers[i].within > 0 {
			p.tolerant, p.early = true, p.early || i < len(p.tiers)-1
		}
		for j := range p.tiers[i].terms {
			p.take(i, &p.tiers[i].terms[j])
		}
	}
	if p.keyed < 0 {
		p.keyed = len(p.tiers) - 1
	}
	if own := s.gapPolicy(); own != nil {
		p.byPlace = own.kind == leastFragments
		if !own.mix.IsZero() {
			p.tuned = own.tune(own.mix, nil)
		}
	}
	p.quick, p.quickTier = p.quickTerm()
	p.lone = p.isLone()
	p.looks = p.grants || p.mentions(freeTerm)
	p.nodesLast = p.byNode && p.nodesComeLast()
	p.ordered = p.ordered && !p.tolerant && s.sample == 0
	p.static = p.static && s.sample == 0
	p.direct = p.isDirect()
	p.simple = p.servesPlain()
	return p
}

// mentions reports whether there is a term of a kind.
func (p *policy) mentions(k kind) bool {
	for i := range p.tiers {
		if slices.ContainsFunc(p.tiers[i].terms, func(t Term) bool { return t.kind == k }) {
			return true
		}
	}
	return false
}

// take notes what a term of a tier declares.
func (p *policy) take(tier int, t *Term) {
	switch t.kind {
	case preferencesTerm:
		p.preferring[tier] += t.weight
	case classTerm:
		p.reads = append(p.reads, t.attributes...)
	case stateTerm:
		p.reads = append(p.reads, t.attributes...)
		p.ordered, p.grants = false, true
		if t.isChange() {
			p.changes = append(p.changes, t)
		}
	case modelsTerm:
		p.grants, p.models = true, true
	case tasksTerm:
		if p.counting[tier] = true; t.targets != nil {
			p.aimed = append(p.aimed, t)
		}
		p.count(t.attributes)
		p.static = false
		if t.attributes[0] == berth.NodeID {
			p.several = p.several || p.nodeTier >= 0
			p.nodeTier, p.nodeTerm = tier, t
		}
	case freeTerm:
		p.count(t.attributes)
		p.ordered, p.static = false, false
		if t.ours && !slices.Contains(p.clusters, t.resources[0]) {
			p.clusters = append(p.clusters, t.resources[0])
		}
	case amountsTerm:
		p.ordered = false
		p.formulas = append(p.formulas, t)
	case inUseTerm, additiveTerm:
		p.ordered = p.ordered && (p.keyed < 0 || p.keyed == tier)
		p.keyed = tier
	case ruleTerm:
		p.rules = append(p.rules, t)
		if r, ok := t.rule.(berth.NodeRule); ok {
			p.reads = append(p.reads, r.Reads()...)
			p.ordered = p.ordered && len(r.Reads()) > 0
		}
		if t.countsTasks() {
			_, both := t.rule.(berth.NodeRule)
			p.static = false
			p.ordered = p.ordered && !both
		}
		p.chooses = p.chooses || t.counted != nil
		if t.own != nil {
			p.count([]string{t.own.Domain()})
			p.several = p.several || t.own.Domain() == berth.NodeID
		}
	}
}

// count notes that tasks are counted by attributes.
func (p *policy) count(attributes []string) {
	for _, name := range attributes {
		switch {
		case name == berth.NodeID:
			p.byNode = true
		case !slices.Contains(p.attributes, name):
			p.attributes = append(p.attributes, name)
		}
	}
}

// counts reports whether any term counts tasks.
func (p *policy) counts() bool { return p.byNode || len(p.attributes) > 0 }

// terms returns how many terms there are in all tiers.
func (p *policy) terms() (n int) {
	for i := range p.tiers {
		n += len(p.tiers[i].terms)
	}
	return n
}

// place returns the place of a counted attribute.
func (p *policy) place(attribute string) int {
	if attribute == berth.NodeID {
		return onNode
	}
	return slices.Index(p.attributes, attribute)
}

// nodesComeLast reports whether, of the nodes of a class, those with a task of the group come after those without one: what
// tells them apart before is alike for the class, and the fewer tasks are the better.
func (p *policy) nodesComeLast() bool {
	if p.several || p.nodeTier < 0 || p.nodeTier >= p.keyed && p.tiers[p.keyed].additive() {
		return false
	}
	return !slices.ContainsFunc(p.tiers[p.nodeTier].terms, func(t Term) bool {
		return t.kind == tasksTerm && t.attributes[0] == berth.NodeID && (t.weight >= 0 || t.lo > 0 || t.hi < MostTasks)
	})
}

// tells reports whether the sum of the tier tells what each of its terms says.
func (t *tier) tells() bool { return len(t.terms) == 0 || len(t.terms) == 1 && t.terms[0].weight != 0 }

// additive reports whether the tier has an additive term.
func (t *tier) additive() bool {
	return slices.ContainsFunc(t.terms, func(t Term) bool { return t.isAdditive() })
}

// better reports whether the sums of one candidate are better than those of another, tier by tier; equal is neither.
func compareSums(a, b []int64) int {
	for i := range a {
		switch {
		case a[i] > b[i]:
			return 1
		case a[i] < b[i]:
			return -1
		}
	}
	return 0
}

// least returns the least sum of a tier that counts as its best.
func (t *tier) least(best int64) int64 { return leastWithin(best, t.within) }

// leastWithin returns what is as far below the best as a tolerance allows.
func leastWithin(best, within int64) int64 {
	if best < math.MinInt64+within {
		return math.MinInt64
	}
	return best - within
}
