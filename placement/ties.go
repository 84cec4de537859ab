package placement

import (
	"cmp"
	"strings"

	"github.com/berth-sched/berth/internal/store"
)

// compareTies compares the IDs of nodes that are equally good: the lesser is the better.
func (p *policy) compareTies(a, b string) int {
	if p.strategy.byID {
		return strings.Compare(a, b)
	}
	seed := p.strategy.seed
	return cmp.Or(cmp.Compare(store.TieHash(seed, a), store.TieHash(seed, b)), strings.Compare(a, b))
}
