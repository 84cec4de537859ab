package store

// A key is the name of a row in an index.
type key struct {
	id   string
	hash uint32
}

// An index finds rows by ID: an open-addressed hash table kept in copy-on-write pages, so that a
// view has the table as it was. Its order is never visible.
type index struct {
	buckets Array[uint32] // 0 is empty, 1 is a grave, else slot+2
	live    int
	used    int // live and graves
}

const (
	bucketEmpty = 0
	bucketGrave = 1
	bucketSlot  = 2
)

func newIndex(t *token, size int) index {
	x := index{buckets: newArray[uint32](1, 6)}
	for range size {
		x.buckets.grow(t)
	}
	return x
}

// find returns the slot whose key is id.
func (x *index) find(keys *Array[key], hash uint32, id string) (uint32, bool) {
	n := x.buckets.Len()
	if n == 0 {
		return 0, false
	}
	for i := int(hash) & (n - 1); ; i = (i + 1) & (n - 1) {
		b := *x.buckets.At(i)
		if b == bucketEmpty {
			return 0, false
		}
		if b != bucketGrave {
			if k := keys.At(int(b - bucketSlot)); k.hash == hash && k.id == id {
				return b - bucketSlot, true
			}
		}
	}
}

func (x *index) insert(t *token, keys *Array[key], slot, hash uint32) {
	if n := x.buckets.Len(); 4*(x.used+1) > 3*n {
		x.rehash(t, keys)
	}
	n := x.buckets.Len()
	i := int(hash) & (n - 1)
	for *x.buckets.At(i) >= bucketSlot {
		i = (i + 1) & (n - 1)
	}
	if *x.buckets.At(i) == bucketEmpty {
		x.used++
	}
	*x.buckets.mutAt(t, i) = slot + bucketSlot
	x.live++
}

func (x *index) remove(t *token, slot, hash uint32) {
	n := x.buckets.Len()
	i := int(hash) & (n - 1)
	for *x.buckets.At(i) != slot+bucketSlot {
		i = (i + 1) & (n - 1)
	}
	*x.buckets.mutAt(t, i) = bucketGrave
	x.live--
}

func (x *index) rehash(t *token, keys *Array[key]) {
	size := 64
	for size < 4*(x.live+1) {
		size *= 2
	}
	fresh := newIndex(t, size)
	for i := range x.buckets.Len() {
		if b := *x.buckets.At(i); b >= bucketSlot {
			slot := b - bucketSlot
			fresh.insert(t, keys, slot, keys.At(int(slot)).hash)
		}
	}
	*x = fresh
}
