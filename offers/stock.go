package offers

import (
	"encoding/binary"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// stock is amounts of resources. Most nodes of a cluster have the same free as many others, so stocks that are equal are mostly one,
// and whether they are alike is told by a look.
type stock struct{ all berth.Resources } // never written

// covers reports whether there is as much of everything as in another.
func (s *stock) covers(o *stock) bool { return s == o || s.all.Covers(o.all) }

// stocks are those that were seen lately, by what they are.
type stocks struct {
	byText map[string]*stock
	byFree map[string]*stock // by free amounts as the columns of a view
	naming uint64            // of those columns
	key    []byte
}

// manyStocks is how many are remembered: who has more different nodes gains nothing by it.
const manyStocks = 8192

// of returns the stock of amounts, which must not be written afterwards.
func (t *stocks) of(r berth.Resources) *stock {
	key := t.key[:0]
	for name, q := range r.All() {
		if q > 0 {
			key = append(append(key, name...), 0)
			key = binary.LittleEndian.AppendUint64(key, uint64(q))
		}
	}
	t.key = key
	if s, ok := t.byText[string(key)]; ok {
		return s
	}
	if t.byText == nil || len(t.byText) >= manyStocks {
		t.byText = map[string]*stock{}
	}
	s := &stock{r}
	t.byText[string(key)] = s
	return s
}

// free returns what is free on a node, as far as it is in no device.
func (t *stocks) free(v *store.View, row uint32) *stock {
	if t.naming != v.Naming() || t.byFree == nil || len(t.byFree) >= manyStocks {
		t.naming, t.byFree = v.Naming(), map[string]*stock{}
	}
	key, free := t.key[:0], v.Free(row)
	for _, q := range free {
		key = binary.LittleEndian.AppendUint64(key, uint64(max(q, 0)))
	}
	t.key = key
	if s, ok := t.byFree[string(key)]; ok {
		return s
	}
	text := string(key)
	r := berth.Resources{}
	for d, name := range v.Dims() {
		if free[d] > 0 {
			r[name] = free[d]
		}
	}
	s := t.of(r)
	t.byFree[text] = s
	return s
}
