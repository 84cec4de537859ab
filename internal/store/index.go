package store

// An index finds rows by ID: an open-addressed hash table kept in copy-on-write pages, so that a
// view has the table as it was. Its order is never visible. A bucket holds the hash beside the slot, so
// that only a key that matches is read, which at a million tasks is a cache miss.
type index struct {
	buckets Array[uint64] // 0 is empty, 1 is a grave, else hash<<32 and slot+2
	live    int
	used    int // live and graves
}

const (
	bucketEmpty = 0
	bucketGrave = 1
	bucketSlot  = 2
)

func bucketOf(slot, hash uint32) uint64 { return uint64(hash)<<32 | uint64(slot+bucketSlot) }

func newIndex(t *token, size int) index {
	var x index
	for range size {
		x.buckets.grow(t)
	}
	return x
}

// find returns the slot whose ID, as idOf tells it, is id.
func (x *index) find(hash uint32, id string, idOf func(slot uint32) string) (uint32, bool) {
	n := x.buckets.Len()
	if n == 0 {
		return 0, false
	}
	for i := int(hash) & (n - 1); ; i = (i + 1) & (n - 1) {
		b := *x.buckets.At(i)
		if b == bucketEmpty {
			return 0, false
		}
		if b != bucketGrave && uint32(b>>32) == hash {
			if slot := uint32(b) - bucketSlot; idOf(slot) == id {
				return slot, true
			}
		}
	}
}

func (x *index) insert(t *token, slot, hash uint32) {
	if n := x.buckets.Len(); 3*(x.used+1) > 2*n {
		x.rehash(t)
	}
	n := x.buckets.Len()
	i := int(hash) & (n - 1)
	for *x.buckets.At(i) > bucketGrave {
		i = (i + 1) & (n - 1)
	}
	if *x.buckets.At(i) == bucketEmpty {
		x.used++
	}
	*x.buckets.mutAt(t, i) = bucketOf(slot, hash)
	x.live++
}

func (x *index) remove(t *token, slot, hash uint32) {
	n := x.buckets.Len()
	i := int(hash) & (n - 1)
	for *x.buckets.At(i) != bucketOf(slot, hash) {
		i = (i + 1) & (n - 1)
	}
	*x.buckets.mutAt(t, i) = bucketGrave
	x.live--
}

func (x *index) rehash(t *token) {
	size := 64
	for size < 3*(x.live+1) {
		size *= 2
	}
	fresh := newIndex(t, size)
	for i := range x.buckets.Len() {
		if b := *x.buckets.At(i); b > bucketGrave {
			fresh.insert(t, uint32(b)-bucketSlot, uint32(b>>32))
		}
	}
	*x = fresh
}
