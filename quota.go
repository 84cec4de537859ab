package berth

import (
	"errors"
	"fmt"
	"strings"
)

// Quota is what a role, the roles below it included, may have at most, and what it is to be able to have at least. The tasks of
// the role that are on nodes count, and its holds, offers among them.
type Quota struct {
	Role Role
	// Limits bound what the role has, by resource; devices by their class, in units. What is not named has no limit, and zero is
	// one: the role gets no more of it. A limit binds the roles below as well, each of which may have limits of its own.
	Limits Resources
	// Guarantees are what the role is to be able to have whatever others have, by resource. A source keeps and shows them, for
	// those who decide whose turn it is or whom to evict; it holds no room back by itself.
	Guarantees Resources
}

// Err returns every fault of the quota joined into one error, or nil. More of a resource guaranteed than allowed is one.
func (q Quota) Err() error {
	var errs []error
	add := func(err error) { errs = appendFaults(errs, fmt.Sprintf("quota of %s", q.Role.orRoot()), err) }
	add(q.Role.Err())
	for _, part := range []struct {
		what string
		r    Resources
	}{{"limits", q.Limits}, {"guarantees", q.Guarantees}} {
		if err := part.r.Err(); err != nil {
			for _, err := range appendFaults(nil, part.what, err) {
				add(err)
			}
		}
	}
	for _, err := range appendFaults(nil, "guarantees", checkFirm(q.Guarantees, "guaranteed")) {
		add(err)
	}
	for name, least := range q.Guarantees.All() {
		if most, ok := q.Limits[name]; ok && least > most {
			add(fmt.Errorf("resource %q: %d guaranteed, but a limit of %d", name, least, most))
		}
	}
	return errors.Join(errs...)
}

// Clone returns a copy of q that shares nothing with it.
func (q Quota) Clone() Quota {
	if q.Limits != nil {
		q.Limits = q.Limits.Clone()
	}
	if q.Guarantees != nil {
		q.Guarantees = q.Guarantees.Clone()
	}
	return q
}

// String prints "eng: at most cpu 10, at least cpu 4", with "/" for the root role.
func (q Quota) String() string {
	var parts []string
	if len(q.Limits) > 0 {
		parts = append(parts, "at most "+q.Limits.String())
	}
	if len(q.Guarantees) > 0 {
		parts = append(parts, "at least "+q.Guarantees.String())
	}
	if len(parts) == 0 {
		parts = []string{"no quota"}
	}
	return q.Role.orRoot() + ": " + strings.Join(parts, ", ")
}

// orRoot returns the path, and "/" for the root.
func (r Role) orRoot() string {
	if r == "" {
		return "/"
	}
	return string(r)
}

// Exceeded returns the lack of a limit: that a role has at most so much of a resource, of which it and those below it have so much
// used, and that the limit would have to be higher by what is short. Sums beyond an int64 are given as the largest one.
func Exceeded(role Role, resource string, limit, used, short int64) Lack {
	return Lack{
		Reason: Reason{Code: OverLimit, Subject: role.orRoot() + ": " + resource + " " + FormatQuantity(resource, limit)},
		Short:  short, Detail: FormatQuantity(resource, used) + " used", Role: role, Resource: resource, Limit: limit, Used: used,
	}
}
