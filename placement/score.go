package placement

import (
	"fmt"
	"strings"

	"github.com/berth-sched/berth"
)

// Score is how a strategy rates a node for a task: the sums of its tiers, in the order in which they are compared.
type Score []TierScore

// TierScore is the sum of a tier, and what it is made of.
type TierScore struct {
	Sum   int64       `json:"sum"`
	Terms []TermScore `json:"terms,omitempty"`
}

// TermScore is what a term says, within its range. It counts Weight times.
type TermScore struct {
	Term   string `json:"term"` // as it prints with a weight of 1
	Weight int64  `json:"weight"`
	Value  int64  `json:"value"`
}

// String prints the score: "0 = preferences 0; 786432 = in-use() 786432".
func (s Score) String() string {
	tiers := make([]string, len(s))
	for i, tier := range s {
		terms := make([]string, len(tier.Terms))
		for j, t := range tier.Terms {
			if terms[j] = fmt.Sprintf("%s %d", t.Term, t.Value); t.Weight != 1 {
				terms[j] = fmt.Sprintf("%d x %s", t.Weight, terms[j])
			}
		}
		tiers[i] = fmt.Sprintf("%d = %s", tier.Sum, strings.Join(terms, " + "))
		if len(terms) == 0 {
			tiers[i] = fmt.Sprint(tier.Sum)
		}
	}
	return strings.Join(tiers, "; ")
}

// score rates the candidate, and says by what.
func (r *rater) score(who asked) Score {
	r.settle()
	var s Score
	additive := 0
	for i := range r.policy.tiers {
		var tier TierScore
		terms := r.policy.tiers[i].terms
		for j := range terms {
			t := &terms[j]
			said := TermScore{Term: t.name, Weight: t.weight}
			if t.isAdditive() {
				b := &r.bound[additive]
				additive++
				said.Value = b.node(r.cand.Free, r.cand.Capacity) + b.request(r.cand.Request, r.cand.Capacity)
			} else {
				said.Value = r.value(t, who)
			}
			tier.Sum += t.weight * said.Value
			tier.Terms = append(tier.Terms, said)
		}
		s = append(s, tier)
	}
	return s
}

// Score returns how the strategy rates a node for a task now, whether the node can take it or not; false if there is no such
// node or the task's group is at fault.
func (e *Exhaustive) Score(t berth.Task, node string) (Score, bool) {
	if e.ready(); e.inCover || t.Group.Err() != nil {
		return nil, false
	}
	n, ok := e.fork.Node(node)
	if !ok {
		return nil, false
	}
	e.begin(t)
	e.stand(n)
	return e.rater.score(e), true
}

// Score returns how the strategy rates a node for a task now, whether the node can take it or not; false if there is no such
// node or the task's group is at fault. It costs as much as the plan has steps since it was last asked.
func (e *Engine) Score(t berth.Task, node string) (Score, bool) {
	if e.inCover {
		return nil, false
	}
	e.enter()
	s, ok := e.caughtUp().picker.Score(t, node)
	e.leave()
	return s, ok
}
