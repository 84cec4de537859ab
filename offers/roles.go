package offers

import (
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
)

// Join has the framework take part in another role as well, from the next pass on. It returns the framework's part in that role, a Subscription
// with its own demand, terms and rules about nodes, offers, filters, Book and turn: it is suppressed and revived, capped and explained by
// itself. An offer is made to the framework in one role and answered by that part; what is placed on it is charged to that role. Blind and Terms
// are those of the part. The framework's first part is no other than the later ones. Each ends with its own [Subscription.Unsubscribe], and the
// framework's tasks in that role stay as that says. A framework in a role and in one below it is two clients of the [Order].
//
// What is held and placed for the part is in the name that the framework has in the role, "spark@ads": see [Subscription.Resume]. A Book shows the
// tasks of its own part's role and of the roles below.
//
// f.Name is empty or the framework's. It fails with every fault of f, or with [ErrSubscribed] if the framework has the role. Mesos has this as
// MULTI_ROLE, with one Subscription for all roles.
func (s *Subscription) Join(f Framework) (*Subscription, error) {
	errs := []error{f.Role.Err(), checkDemand(f.Demand, f.Role), faults.Of("terms", f.Terms.Err())}
	var made *Subscription
	err := s.call("join", func() error {
		if f.Name != "" && f.Name != s.client.name {
			errs = append(errs, fmt.Errorf("the framework is %q, not %q", s.client.name, f.Name))
		}
		f.Name = s.client.name
		if s.x.subs[client{f.Role, f.Name}] != nil {
			errs = append(errs, fmt.Errorf("role %q: %w", string(f.Role), ErrSubscribed))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		var err error
		made, err = s.x.take(f, true, s.away)
		return err
	})
	return made, err
}

// In returns the framework's part in a role, and false if it has none, or none any more.
func (s *Subscription) In(role berth.Role) (*Subscription, bool) {
	var part *Subscription
	_ = s.call("in", func() error {
		part = s.x.subs[client{role, s.client.name}]
		return nil
	})
	return part, part != nil
}

// Roles returns the roles that the framework has, in their order; none once the part that is asked has ended.
func (s *Subscription) Roles() []berth.Role {
	var roles []berth.Role
	_ = s.call("roles", func() error {
		for _, part := range s.x.parts[s.client.name] {
			roles = append(roles, part.client.role)
		}
		slices.Sort(roles)
		return nil
	})
	return roles
}

// part forgets a framework's part in a role.
func (x *Exchange) part(s *Subscription) {
	left := slices.DeleteFunc(x.parts[s.client.name], func(p *Subscription) bool { return p == s })
	if x.parts[s.client.name] = left; len(left) == 0 {
		delete(x.parts, s.client.name)
	}
}

// name is what the framework is called in the role, but for what the Config puts before it.
func (s *Subscription) name() string {
	if s.joined {
		return s.inRole()
	}
	return s.client.name
}

// inRole is what a framework is called in a role that it has joined.
func (s *Subscription) inRole() string { return s.client.name + "@" + string(s.client.role) }

// title says in errors whose part it is.
func (s *Subscription) title() string {
	if s.joined {
		return fmt.Sprintf("framework %q in role %q", s.client.name, string(s.client.role))
	}
	return fmt.Sprintf("framework %q", s.client.name)
}
