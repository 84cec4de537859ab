package berth

import (
	"errors"
	"fmt"
	"strings"
)

const revocablePrefix = "revocable."

// Revocable returns the name under which amounts of a resource are kept that may be taken back at any time: "revocable.cpu" for cores that
// others have and do not use just now. They are a pool of their own. A node has them by that name in its Capacity beside what it has for
// good, as much as its host estimates at the moment, and only tasks get them whose group asks for them by that name: it says with that that they
// may be ended when the estimate falls. Quotas may limit them, and shares count them by that name; they are never guaranteed or
// reserved, and what a role has of them takes nothing off what is guaranteed to it. A whole device is no amount: none is revocable.
func Revocable(resource string) string { return revocablePrefix + resource }

// IsRevocable reports whether a resource is an amount that may be taken back, as [Revocable] names it.
func IsRevocable(resource string) bool { return strings.HasPrefix(resource, revocablePrefix) }

var errRevocable = errors.New("it may be taken back at any time")

// checkFirm returns an error for each amount of r that may be taken back, and hence not be what the word says.
func checkFirm(r Resources, word string) error {
	var errs []error
	for name := range r.All() {
		if IsRevocable(name) {
			errs = append(errs, fmt.Errorf("resource %q: not to be %s: %w", name, word, errRevocable))
		}
	}
	return errors.Join(errs...)
}
