package berth

// Derive returns what make makes of a group, and keeps it as long as the group lives: make is called once for each type T
// and group, or a few times if goroutines ask for the first time at once, of which one value is kept. Since a group is
// immutable, what depends on nothing else need not be made for every task of it again: a strategy or an order of a
// host's own can keep with the group what it reads of it. make is handed the group's own spec, of which nothing must be changed. T should be a type of the caller's own, so that no other
// caller keeps something else under it. Asking again costs a few nanoseconds for each type that was asked for. Any
// number of goroutines may call it.
func Derive[T any](g *Group, make func(*Group, GroupSpec) *T) *T {
	if g == nil {
		return make(g, GroupSpec{})
	}
	var made *T
	for {
		first := g.derived.Load()
		for d := first; d != nil; d = d.next {
			if v, ok := d.value.(*T); ok {
				return v
			}
		}
		if made == nil {
			made = make(g, g.spec)
		}
		if g.derived.CompareAndSwap(first, &derivation{made, first}) {
			return made
		}
	}
}

// A derivation is a value that was derived of a group, and those that were derived before it.
type derivation struct {
	value any
	next  *derivation
}
