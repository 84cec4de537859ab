package offers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
)

// Overview is what an Exchange and its source have of everybody, at one moment, for dashboards and logs.
type Overview struct {
	Time       time.Time           `json:"time"`
	Total      berth.Resources     `json:"total"` // what all nodes have
	Roles      []RoleOverview      `json:"roles"` // those that have or are granted anything, or have a framework, in their order
	Frameworks []FrameworkOverview `json:"frameworks"`
}

// RoleOverview is what a role has, with all roles below it.
type RoleOverview struct {
	Role       berth.Role      `json:"role"`
	Used       berth.Resources `json:"used,omitempty"`    // in tasks and in holds, offers among them
	Offered    berth.Resources `json:"offered,omitempty"` // of which it has not answered
	Share      Part            `json:"share"`             // the dominant one, of what is used
	Guarantees berth.Resources `json:"guarantees,omitempty"`
	Limits     berth.Resources `json:"limits,omitempty"`
	Owed       berth.Resources `json:"owed,omitempty"` // what it has less than is guaranteed to it
	Frameworks int             `json:"frameworks"`
}

// FrameworkOverview is what a framework has in one of its roles.
type FrameworkOverview struct {
	Framework string          `json:"framework"`
	Role      berth.Role      `json:"role"`
	Offers    int             `json:"offers"` // that it has not answered
	Offered   berth.Resources `json:"offered,omitempty"`
	Used      berth.Resources `json:"used,omitempty"` // in tasks and in offers
	Filters   int             `json:"filters"`        // nodes of which it has declined something: see [Subscription.Filters]
	Inverse   int             `json:"inverse"`        // inverse offers that stand
	// Cause is what keeps offers of all nodes from it, Waiting if there is nothing that does. [Subscription.Why] tells of each node, and of limits.
	Cause Cause     `json:"cause"`
	Until time.Time `json:"until,omitzero"` // of BackingOff
}

// Part is how much there is of a resource, and how much of that somebody has. The zero Part is nothing.
type Part struct {
	Resource string `json:"resource,omitempty"`
	Used     int64  `json:"used,omitempty"`
	Total    int64  `json:"total,omitempty"`
}

// String prints "12.5 % of cpu", or "0 %".
func (p Part) String() string {
	if p.Total <= 0 || p.Used <= 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.3g %% of %s", 100*float64(p.Used)/float64(p.Total), p.Resource)
}

// String prints a line for each role and framework, such as
//
//	role "ads": 50 % of cpu, used cpu 4, offered cpu 2, guaranteed cpu 6, owed cpu 2; 1 framework
//	framework "web" of role "ads": 1 offer of cpu 2, used cpu 4; 3 filters; backing off until 12:00:30
func (o *Overview) String() string {
	if o == nil {
		return ""
	}
	var b strings.Builder
	amounts := func(what string, r berth.Resources) {
		if len(r) > 0 {
			fmt.Fprintf(&b, ", %s %v", what, r)
		}
	}
	for _, r := range o.Roles {
		fmt.Fprintf(&b, "role %q: %v", string(r.Role), r.Share)
		amounts("used", r.Used)
		amounts("offered", r.Offered)
		amounts("guaranteed", r.Guarantees)
		amounts("owed", r.Owed)
		amounts("at most", r.Limits)
		fmt.Fprintf(&b, "; %s\n", plural(r.Frameworks, "framework"))
	}
	for _, f := range o.Frameworks {
		fmt.Fprintf(&b, "framework %q of role %q: %s", f.Framework, string(f.Role), plural(f.Offers, "offer"))
		if len(f.Offered) > 0 {
			fmt.Fprintf(&b, " of %v", f.Offered)
		}
		amounts("used", f.Used)
		if f.Filters > 0 {
			fmt.Fprintf(&b, "; %s", plural(f.Filters, "filter"))
		}
		if f.Inverse > 0 {
			fmt.Fprintf(&b, "; %s", plural(f.Inverse, "inverse offer"))
		}
		if f.Cause != Waiting {
			fmt.Fprintf(&b, "; %v", f.Cause)
		}
		if !f.Until.IsZero() {
			fmt.Fprintf(&b, " until %s", f.Until.UTC().Format(time.TimeOnly))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Overview returns what everybody has: shares, guarantees, limits, offers, filters and what keeps whom from offers. It decides nothing, and changes
// nothing but to end leases that have run out. It may be called at any time from any goroutine, and costs O(roles, frameworks, offers and filters).
func (x *Exchange) Overview(ctx context.Context) (*Overview, error) {
	var o *Overview
	err := x.call("overview", func() error {
		if _, err := x.expire(ctx); err != nil {
			return err
		}
		x.countOpen()
		o = &Overview{Time: x.now, Total: x.snapshot.Total()}
		x.overviewOfRoles(o)
		for _, s := range x.inOrder() {
			o.Frameworks = append(o.Frameworks, x.overviewOf(s))
		}
		return nil
	})
	return o, err
}

func (x *Exchange) overviewOfRoles(o *Overview) {
	at := map[berth.Role]int{}
	of := func(role berth.Role) *RoleOverview {
		i, known := at[role]
		if !known {
			i, at[role] = len(o.Roles), len(o.Roles)
			o.Roles = append(o.Roles, RoleOverview{Role: role})
		}
		return &o.Roles[i]
	}
	for v := range x.snapshot.Roles() {
		r := of(v.Role)
		r.Used, r.Guarantees, r.Limits = v.Used, v.Quota.Guarantees, v.Quota.Limits
		for name, q := range v.Used.All() {
			if t := o.Total[name]; t > 0 && float64(q)/float64(t) > float64(r.Share.Used)/float64(max(r.Share.Total, 1)) {
				r.Share = Part{name, q, t}
			}
		}
		for name, q := range r.Guarantees.All() {
			if less := q - v.Used[name]; less > 0 {
				r.Owed = with(r.Owed, name, less)
			}
		}
	}
	for _, s := range x.inOrder() {
		offered := x.outstanding(s)
		for role := s.client.role; ; role = role.Parent() {
			r := of(role)
			r.Frameworks++
			if offered != nil {
				for name, q := range offered.all {
					r.Offered = with(r.Offered, name, q)
				}
			}
			if role == "" {
				break
			}
		}
	}
	slices.SortFunc(o.Roles, func(a, b RoleOverview) int { return cmp.Compare(a.Role, b.Role) })
}

func (x *Exchange) overviewOf(s *Subscription) FrameworkOverview {
	f := FrameworkOverview{Framework: s.client.name, Role: s.client.role, Offers: len(s.offers), Inverse: len(s.inverse), Cause: Waiting}
	if offered := x.outstanding(s); offered != nil {
		f.Offered = offered.all.Clone()
	}
	if s.owner != "" {
		f.Used = x.snapshot.UsedBy(s.owner)
	} else {
		f.Used = x.snapshot.UsedBy(x.cfg.Prefix + s.name())
	}
	for r := range s.refusals {
		f.Filters += r.left
	}
	switch {
	case s.suppressed:
		f.Cause = Suppressed
	case s.away:
		f.Cause = Away
	case s.declared && !slices.ContainsFunc(s.wants, func(w want) bool { return w.left > 0 }):
		f.Cause = Content
	case s.most > 0 && len(s.offers) >= s.most:
		f.Cause = Full
	case s.paused:
		f.Cause, f.Until = BackingOff, s.until
	}
	return f
}

// NodeFilter is a filter of a framework that stands.
type NodeFilter struct {
	Node     string          `json:"node"`
	Declined berth.Resources `json:"declined"` // no more than this of it is offered to the framework
	Until    time.Time       `json:"until"`    // or until a pass was made, if that is later
}

// String prints "n1: no more than cpu 2 until 12:00:05".
func (f NodeFilter) String() string {
	return fmt.Sprintf("%s: no more than %v until %s", f.Node, f.Declined, f.Until.UTC().Format(time.TimeOnly))
}

// Filters returns what the framework has declined and is not offered again for the time being, by node. O(its filters, and those
// that others have of the same nodes).
func (s *Subscription) Filters(ctx context.Context) ([]NodeFilter, error) {
	var out []NodeFilter
	err := s.do(ctx, "filters", func() error {
		for r := range s.refusals {
			for _, at := range r.sites {
				for _, f := range at.filters {
					if f.of == r {
						out = append(out, NodeFilter{at.id, f.what.all.Clone(), r.until})
					}
				}
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b NodeFilter) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), a.Until.Compare(b.Until), cmp.Compare(a.Declined.String(), b.Declined.String()))
	})
	return slices.CompactFunc(out, func(a, b NodeFilter) bool { // a node that a refusal names twice
		return a.Node == b.Node && a.Until.Equal(b.Until) && a.Declined.Equal(b.Declined)
	}), err
}
