package fit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Excess is a limit that something more would exceed, as [berth.Exceeded] has it.
type Excess struct {
	Role               berth.Role
	Resource           string
	Limit, Used, Short int64
}

// Lack returns it with its reason in words.
func (x Excess) Lack() berth.Lack {
	return berth.Exceeded(x.Role, x.Resource, x.Limit, x.Used, x.Short)
}

// LacksOf returns excesses with their reasons in words; nil of none.
func LacksOf(over []Excess) []berth.Lack {
	if len(over) == 0 {
		return nil
	}
	lacks := make([]berth.Lack, len(over))
	for i, x := range over {
		lacks[i] = x.Lack()
	}
	return lacks
}

// Excesses returns the limits that one more task of a group would exceed as a view shows it with a trial: those of its role before
// those of the roles above, of one role in the order of resources.
func Excesses(v *store.View, g *berth.Group, trial store.Trial) []Excess {
	if v = v.Shown(); v.Limited() == 0 || g.Err() != nil {
		return nil
	}
	return Over(v, g.Role(), v.NeedsOf(g), trial)
}

// Over is Excesses for so much more of any kind.
func Over(v *store.View, role berth.Role, more []store.Need, trial store.Trial) []Excess {
	over := v.Over(role, more, trial)
	if len(over) == 0 {
		return nil
	}
	out := make([]Excess, len(over))
	for i, x := range over {
		out[i] = Excess{
			Role: berth.Role(v.Account(x.Account).Name), Resource: v.Dims()[x.Dim], Limit: x.Limit, Used: x.Used.Int64(), Short: x.Short,
		}
	}
	slices.SortFunc(out, func(a, b Excess) int { // the longest path first: they are above one another
		return cmp.Or(cmp.Compare(len(b.Role), len(a.Role)), strings.Compare(a.Resource, b.Resource))
	})
	return out
}
