package extender

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/cache"
)

// Tenants says what the roles that pods are charged to may have: their namespaces, or what adapter.Config.Role makes of a pod.
//
// kube-scheduler decides which pod is asked about next, so fair shares are kept by letting a pod wait. Where there is room for all that
// runs and waits, nobody waits. Where there is not, each role is entitled to its share by weighted dominant resource
// fairness (Ghodsi et al., NSDI 2011), filled up in the divisible case out of what every role has and waits for: none gets more
// than it asks for, and what one does not want goes to the others. A pod of a role that has its share or more waits as long as
// another role that has less has pods waiting of at least its priority, which have not been found to fit nowhere. So two roles that
// both want everything end within one pod of their shares, in whatever order their pods come. Nobody is evicted for it.
type Tenants struct {
	// Fair turns fair shares on.
	Fair bool
	// Weights are those of roles, in thousandths. The default is 1000.
	Weights map[berth.Role]allocator.Weight
	// Exclude names resources that count in nobody's share.
	Exclude []string
	// Quotas are limits, which no role exceeds, and guarantees, which a role is entitled to before anything is shared out.
	Quotas []berth.Quota
}

// Err returns every fault of t joined into one error, or nil.
func (t Tenants) Err() error {
	errs := []error{allocator.Fair{Weights: t.Weights, Exclude: t.Exclude}.Err()}
	seen := map[berth.Role]bool{}
	for _, q := range t.Quotas {
		errs = append(errs, q.Err())
		if seen[q.Role] {
			errs = append(errs, fmt.Errorf("role %q has two quotas", q.Role))
		}
		seen[q.Role] = true
	}
	return errors.Join(errs...)
}

// claim is what a role has and wants.
type claim struct {
	role    berth.Role
	weight  float64
	used    map[string]float64
	want    map[string]float64 // used and waiting
	floor   float64            // the part of want that is guaranteed
	most    float64            // its dominant share if it had all it wants
	share   float64            // its dominant share now
	waiting bool
	granted float64 // the part of want that it is entitled to
	grows   bool    // while shares are filled up
}

// turn returns why a pod of a group is to wait for those of other roles; no reason if it need not.
func (e *Extender) turn(s *cluster.Snapshot, g *berth.Group) berth.Reason {
	t := &e.config.Tenants
	if !t.Fair {
		return berth.Reason{}
	}
	capacity := map[string]float64{}
	for name, n := range s.Total() {
		if n > 0 && !slices.Contains(t.Exclude, name) {
			capacity[name] = float64(n)
		}
	}
	waiting := slices.DeleteFunc(e.cache.Waiting(), func(d cache.Demand) bool { return d.Priority < g.Priority() })
	if len(waiting) == 0 || enough(capacity, s.Used(""), waiting) {
		return berth.Reason{}
	}
	claims := t.claims(s, capacity, waiting)
	fill(claims, capacity)
	mine := slices.IndexFunc(claims, func(c *claim) bool { return c.role == g.Role() })
	if mine < 0 || claims[mine].short() {
		return berth.Reason{}
	}
	var first *claim
	for i, c := range claims {
		if i != mine && c.waiting && c.short() && (first == nil || c.share*first.weight < first.share*c.weight) {
			first = c
		}
	}
	if first == nil {
		return berth.Reason{}
	}
	return berth.Behind(first.role)
}

// enough reports whether there is room for all that waits beside what is used, as sums go.
func enough(capacity map[string]float64, used berth.Resources, waiting []cache.Demand) bool {
	for name, all := range capacity {
		sum := float64(used[name])
		for i := range waiting {
			sum += waiting[i].Requests[name]
		}
		if sum > all {
			return false
		}
	}
	return true
}

// claims returns what each role has and wants, in the order of the roles.
func (t *Tenants) claims(s *cluster.Snapshot, capacity map[string]float64, waiting []cache.Demand) []*claim {
	of := map[berth.Role]*claim{}
	add := func(role berth.Role) *claim {
		c := of[role]
		if c == nil {
			c = &claim{role: role, weight: float64(cmp.Or(t.Weights[role], allocator.DefaultWeight)), used: map[string]float64{}, want: map[string]float64{}}
			of[role] = c
		}
		return c
	}
	for view := range s.Roles() {
		for name, n := range view.Own {
			if n > 0 && capacity[name] > 0 {
				c := add(view.Role)
				c.used[name], c.want[name] = float64(n), float64(n)
			}
		}
	}
	for i := range waiting {
		c := add(waiting[i].Role)
		c.waiting = true
		for name, n := range waiting[i].Requests {
			if capacity[name] > 0 {
				c.want[name] += n
			}
		}
	}
	for _, q := range t.Quotas {
		if c := of[q.Role]; c != nil && len(q.Guarantees) > 0 {
			named := false
			for name, n := range c.want {
				if guaranteed, ok := q.Guarantees[name]; ok {
					if part := min(1, float64(guaranteed)/n); !named || part < c.floor {
						c.floor, named = part, true
					}
				}
			}
		}
	}
	out := make([]*claim, 0, len(of))
	for _, role := range slices.Sorted(maps.Keys(of)) {
		c := of[role]
		c.share, c.most = dominant(c.used, capacity), dominant(c.want, capacity)
		out = append(out, c)
	}
	return out
}

func dominant(of, capacity map[string]float64) (share float64) {
	for name, n := range of {
		share = max(share, n/capacity[name])
	}
	return share
}

// short reports whether a role has less than it is entitled to.
func (c *claim) short() bool { return c.share < c.granted*c.most }

// at returns the part of what it wants that a role has when the water is at a level.
func (c *claim) at(level float64) float64 {
	if c.most == 0 {
		return 1
	}
	return min(1, max(c.floor, level*c.weight/c.most))
}

// fill fills every role up at one level of dominant share over weight, until a resource is used up: then those that want it have what they
// have, and the others go on.
func fill(claims []*claim, capacity map[string]float64) {
	names := slices.Sorted(maps.Keys(capacity))
	growing := slices.Clone(claims)
	for _, c := range claims {
		c.grows = true
	}
	for len(growing) > 0 {
		// The level at which the first resource is used up, by bisection: what is used grows with the level.
		low, high := 0.0, 0.0
		for _, c := range growing {
			high = max(high, c.most/c.weight)
		}
		full := func(level float64) []string {
			var out []string
			for _, name := range names {
				sum := 0.0
				for _, c := range claims {
					part := c.granted
					if c.grows {
						part = c.at(level)
					}
					sum += float64(part * c.want[name])
				}
				if sum > capacity[name] {
					out = append(out, name)
				}
			}
			return out
		}
		if len(full(high)) == 0 {
			for _, c := range growing {
				c.granted = c.at(high)
			}
			return
		}
		for range 50 {
			if middle := (low + high) / 2; len(full(middle)) > 0 {
				high = middle
			} else {
				low = middle
			}
		}
		used, before := full(high), len(growing)
		for _, c := range growing {
			c.granted = c.at(low)
		}
		growing = slices.DeleteFunc(growing, func(c *claim) bool {
			c.grows = !slices.ContainsFunc(used, func(name string) bool { return c.want[name] > 0 })
			return !c.grows
		})
		if len(growing) == before {
			return // what others were granted is more than there is already
		}
	}
}
