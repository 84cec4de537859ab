package allocator

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/berth-sched/berth"
)

// Wish is what a role wants more of: tasks that take so much.
type Wish struct {
	Role berth.Role
	Task berth.Resources
	// Weight, in thousandths; the default is DefaultWeight.
	Weight Weight
	// Tasks is how many it wants in all, those it has included. 0 is any number.
	Tasks int64
}

// Fairness is how far a role is from what weighted dominant resource fairness would give it, for reports: nothing is decided by it.
type Fairness struct {
	Role  berth.Role `json:"role"`
	Share Share      `json:"share"`
	// Level is the share that it would have if tasks could be divided and all nodes were one: all shares rise together, by weight, and who has
	// all it wants, or needs a resource of which nothing is left, stays where it is.
	Level float64 `json:"level"`
	// Gap is Level less the share, over the weight: what it is owed, or where it is negative, what it has too much.
	Gap float64 `json:"gap"`
	// Envy is how many more of its tasks it could run with what another has, by their weights, than with what it has; 0 if it would change
	// with nobody. Whole tasks on whole nodes leave an envy of about one.
	Envy   float64    `json:"envy"`
	Envies berth.Role `json:"envies,omitempty"` // whose it would rather have
}

// FairnessOf says of each of some roles how far it is from a fair share, in the order given. None of them should be above another. It fails with
// all faults of the wishes: a role named twice, a weight or a number of tasks that is negative, tasks that take nothing of what there
// is. It takes time for each pair of roles.
func FairnessOf(l Ledger, wishes ...Wish) ([]Fairness, error) {
	if err := checkWishes(l, wishes); err != nil {
		return nil, err
	}
	total := l.Total()
	level := levels(total, wishes)
	out, all := make([]Fairness, len(wishes)), make([]berth.Resources, len(wishes))
	for i, w := range wishes {
		all[i] = l.Used(w.Role)
	}
	for i, w := range wishes {
		used := all[i]
		f := Fairness{Role: w.Role, Share: Share{Weight: w.weight()}, Level: level[i]}
		for name, q := range used.All() {
			if s := (Share{Used: q, Total: total[name], Resource: name}); total[name] > 0 && q > 0 && s.Compare(Share{Used: f.Share.Used, Total: f.Share.Total}) > 0 {
				f.Share.Used, f.Share.Total, f.Share.Resource = s.Used, s.Total, name
			}
		}
		f.Gap = (level[i] - f.Share.Float64()) * float64(DefaultWeight) / float64(w.weight())
		most := func(has berth.Resources, scale float64) float64 {
			tasks := math.Inf(1)
			for name, q := range w.Task.All() {
				if q > 0 {
					tasks = min(tasks, float64(has[name])*scale/float64(q))
				}
			}
			if w.Tasks > 0 {
				tasks = min(tasks, float64(w.Tasks))
			}
			return tasks
		}
		own := most(used, 1)
		for k, o := range wishes {
			if k == i {
				continue
			}
			if envy := most(all[k], float64(w.weight())/float64(o.weight())) - own; envy > f.Envy {
				f.Envy, f.Envies = envy, o.Role
			}
		}
		out[i] = f
	}
	return out, nil
}

func (w Wish) weight() Weight {
	if w.Weight == 0 {
		return DefaultWeight
	}
	return w.Weight
}

func checkWishes(l Ledger, wishes []Wish) error {
	var errs []error
	if l == nil {
		return errors.New("allocator: fairness: no ledger")
	}
	total := l.Total()
	seen := map[berth.Role]bool{}
	for _, w := range wishes {
		var faults []error
		if err := checkRole(w.Role); err != nil {
			faults = append(faults, err)
		}
		if seen[w.Role] {
			faults = append(faults, errors.New("named twice"))
		}
		seen[w.Role] = true
		if w.Weight < 0 {
			faults = append(faults, fmt.Errorf("weight %s is negative", w.Weight))
		}
		if w.Tasks < 0 {
			faults = append(faults, fmt.Errorf("%d tasks", w.Tasks))
		}
		err := w.Task.Err()
		if err != nil {
			faults = append(faults, err)
		} else if dominant(total, w.Task) == 0 {
			faults = append(faults, errors.New("its tasks take nothing of what there is"))
		}
		if err := errors.Join(faults...); err != nil {
			errs = append(errs, fmt.Errorf("allocator: fairness: role %.40q: %w", string(w.Role), err))
		}
	}
	return errors.Join(errs...)
}

func dominant(total, r berth.Resources) (share float64) {
	for name, q := range r {
		if total[name] > 0 {
			share = max(share, float64(q)/float64(total[name]))
		}
	}
	return share
}

// levels fills like water. Products are rounded by a conversion before they are added to, since some processors would add without, and shares
// would differ in the last digit. What a task takes of a resource that there is none of does not count.
func levels(total berth.Resources, wishes []Wish) []float64 {
	shares, rises := make([]float64, len(wishes)), make([]bool, len(wishes))
	left, rate := map[string]float64{}, map[string]float64{}
	var names []string
	for name, q := range total.All() {
		if q > 0 {
			names = append(names, name)
			left[name] = 1
		}
	}
	for i := range rises {
		rises[i] = true
	}
	for slices.Contains(rises, true) {
		clear(rate)
		rise := math.Inf(1)
		for i, w := range wishes {
			if !rises[i] {
				continue
			}
			task, weight := dominant(total, w.Task), float64(w.weight())
			for _, name := range names {
				rate[name] += weight * float64(w.Task[name]) / float64(total[name]) / task
			}
			if w.Tasks > 0 {
				rise = min(rise, max(0, float64(float64(w.Tasks)*task)-shares[i])/weight)
			}
		}
		for _, name := range names {
			if rate[name] > 0 {
				rise = min(rise, max(0, left[name])/rate[name])
			}
		}
		full := maps.Clone(left)
		for name, r := range rate {
			full[name] = left[name] - float64(r*rise)
		}
		const none = 1e-12
		for i, w := range wishes {
			if !rises[i] {
				continue
			}
			shares[i] += float64(rise * float64(w.weight()))
			if w.Tasks > 0 && shares[i] >= float64(float64(w.Tasks)*dominant(total, w.Task))-none {
				rises[i] = false
			}
			for _, name := range names {
				if w.Task[name] > 0 && full[name] <= none {
					rises[i] = false
				}
			}
		}
		left = full
	}
	return shares
}
