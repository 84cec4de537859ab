package berth

import (
	"errors"
	"fmt"
	"strings"
)

const revocablePrefix = "revocable."

// Revocable returns the name of the revocable part of a resource: "revocable.cpu" for "cpu". It is capacity that may be taken back at any
// time, such as cores that others were given and do not use just now, in the unit of the resource.
//
// It is a resource of its own. A node has it in its Capacity, beside what it has for good: as much as its host estimates at the
// moment, which scheduler.State.SetRevocable raises and lowers. A task gets it only if its group requests it by this name, and so agrees to be
// ended when the estimate falls; scheduler.Scheduler.Revoke proposes which tasks end then. Quotas can limit it, and shares count
// it, by this name. It is never guaranteed or reserved, and what a role has of it takes nothing off what is guaranteed
// to the role. Whole devices are not revocable, only amounts.
func Revocable(resource string) string { return revocablePrefix + resource }

// IsRevocable reports whether a resource has a name that [Revocable] returns.
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
