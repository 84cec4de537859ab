package adapter

import (
	"fmt"
	"slices"
)

// Unsaid is something that an object says and berth has no words for.
type Unsaid struct {
	Field   string // where it stands in the object, such as "spec.resourceClaims"
	Instead string // what is done instead
}

// String prints "spec.resourceClaims: not looked at".
func (u Unsaid) String() string { return fmt.Sprintf("%s: %s", u.Field, u.Instead) }

// unsaid collects what is unsaid of one object, each once.
type unsaid []Unsaid

func (u *unsaid) add(field, instead string, args ...any) {
	what := Unsaid{field, fmt.Sprintf(instead, args...)}
	if !slices.Contains(*u, what) {
		*u = append(*u, what)
	}
}
