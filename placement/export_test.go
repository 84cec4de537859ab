package placement

import (
	"reflect"
	"slices"
)

// Sorted reports whether the engine has sorted columns, so that the next explanation is made of them.
func (e *Engine) Sorted() bool {
	for _, c := range e.explainer.columns.byDim {
		if c != nil {
			return true
		}
	}
	return false
}

// SearchFirst makes searches list rows only where passing by others has cost as much, however few they are.
func (e *Engine) SearchFirst() { e.search.atOnce = 0 }

// RatesAll reports whether the engine rates every node for each task of the group that it placed last.
func (e *Engine) RatesAll() bool { return e.search.every }

// Kept returns how many attributes tell classes apart, sets of rules have verdicts, and sets of domains are known.
func (e *Engine) Kept() (reads, verdicts, eligible int) {
	return len(e.classes.reads), len(e.classes.verdicts), len(e.counts.eligible)
}

// The bounds of Kept.
const (
	MaxReads    = maxReads
	MaxVerdicts = maxVerdicts
	MaxEligible = maxEligible
)

// Check returns what is wrong with the parts of the engine.
func (e *Engine) Check() error { return e.check() }

// OwnTerms returns the terms of a strategy that are a host's own.
func OwnTerms(s Strategy) (own []Term) {
	for _, t := range s.given().tiers {
		for _, term := range t.terms {
			if term.isOwn() {
				own = append(own, term)
			}
		}
	}
	return own
}

// Alike reports whether strategies are equal but for functions, which cannot be compared.
func Alike(a, b Strategy) bool {
	for _, s := range []*Strategy{&a, &b} {
		*s = s.given()
		s.tiers = slices.Clone(s.tiers)
		for i := range s.tiers {
			terms := slices.Clone(s.tiers[i].terms)
			for j := range terms {
				t := &terms[j]
				t.ofClass, t.ofNode, t.ofRequest, t.ofState, t.worth, t.through, t.ofCandidate, t.ofAmounts = nil, nil, nil, nil, nil, nil, nil, nil
				t.attributes, t.resources = append([]string{}, t.attributes...), append([]string{}, t.resources...)
			}
			s.tiers[i].terms = append([]Term{}, terms...)
		}
		s.over = append([]string{}, s.over...)
	}
	return reflect.DeepEqual(a, b)
}

// PowerOfTen is the one that Nomad's scores are made of.
func PowerOfTen(f int64) int64 { return powerOfTen(f) }

// Samples reports whether a picker is an engine whose strategy draws nodes, so that it need not pick the best of all.
func Samples(p Picker) bool {
	e, ok := p.(*Engine)
	return ok && e.policy.strategy.sample > 0
}
