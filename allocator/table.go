package allocator

// table is a map that gives its memory back: a map of Go's keeps the room of the most entries it ever
// had. The zero table is empty.
type table[K comparable, V any] struct {
	m    map[K]V
	room int // entries that m has memory for, at least
}

func (t *table[K, V]) get(k K) V { return t.m[k] }

func (t *table[K, V]) set(k K, v V) {
	if t.m == nil {
		t.m = make(map[K]V)
	}
	t.m[k] = v
	t.room = max(t.room, len(t.m))
}

// delete removes k. It copies the rest when most of the room is empty, which pays for itself: three
// quarters of the entries were deleted since the last time.
func (t *table[K, V]) delete(k K) {
	delete(t.m, k)
	if sparse(len(t.m), t.room) {
		m := make(map[K]V, len(t.m))
		for k, v := range t.m {
			m[k] = v
		}
		t.m, t.room = m, len(m)
	}
}

// sparse reports whether so few entries are left of so much room that it is worth giving back.
func sparse(entries, room int) bool {
	const small = 32
	return room > small && entries < room/4
}
