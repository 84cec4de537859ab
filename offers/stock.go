package offers

import (
	"encoding/binary"
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// stock is amounts of resources. Most nodes of a cluster have the same free as many others, so stocks that are equal are mostly one,
// and whether they are alike is told by a look.
type stock struct {
	all berth.Resources // never written

	epoch   uint64 // of the index of the account,
	index   []int32
	amounts []int64 // by which it is this
}

// beyond returns what is in s and not in o; nil if that is nothing.
func (s *stock) beyond(o *stock) *stock {
	switch {
	case s == nil || s == o:
		return nil
	case o == nil:
		return s
	}
	var r berth.Resources
	for name, q := range s.all {
		if over := q - o.all[name]; over > 0 {
			r = with(r, name, over)
		}
	}
	if r == nil {
		return nil
	}
	return &stock{all: r}
}

// least returns of everything the lesser amount; nil if that is nothing.
func (s *stock) least(o *stock) *stock {
	if s == nil || o == nil {
		return nil
	}
	if s.covers(o) {
		return o
	}
	var r berth.Resources
	for name, q := range s.all {
		if q = min(q, o.all[name]); q > 0 {
			r = with(r, name, q)
		}
	}
	if r == nil {
		return nil
	}
	return &stock{all: r}
}

// most returns of everything the greater amount.
func (s *stock) most(o *stock) *stock {
	switch {
	case s == nil || o != nil && o.covers(s):
		return o
	case o == nil || s.covers(o):
		return s
	}
	r := s.all.Clone()
	for name, q := range o.all {
		r[name] = max(r[name], q)
	}
	return &stock{all: r}
}

// times returns n times as much.
func (s *stock) times(n int64) *stock {
	if s == nil || n == 1 {
		return s
	}
	r := make(berth.Resources, len(s.all))
	for name, q := range s.all {
		if r[name] = math.MaxInt64; q <= math.MaxInt64/n {
			r[name] = q * n
		}
	}
	return &stock{all: r}
}

// minus returns what is left without another, of which there is no more; nil if that is nothing.
func (s *stock) minus(o *stock) *stock {
	if s == o || s == nil {
		return nil
	}
	var r berth.Resources
	for name, q := range s.all {
		if q -= o.all[name]; q > 0 {
			r = with(r, name, q)
		}
	}
	if r == nil {
		return nil
	}
	return &stock{all: r}
}

// plus returns what both are together.
func (s *stock) plus(o *stock) *stock {
	switch {
	case s == nil:
		return o
	case o == nil:
		return s
	}
	r := s.all.Clone()
	for name, q := range o.all {
		r = with(r, name, q)
	}
	return &stock{all: r}
}

// indexes are the names of resources by which amounts are told to an order.
type indexes struct {
	epoch uint64 // counts the times that they began anew
	names []string
	at    map[string]int32
}

// manyNames is how many of them there are before they begin anew: names that nobody uses any more are among them.
const manyNames = 4096

// compile puts a stock in terms of the index. It returns false if the order does not take the names.
func (x *indexes) compile(seats Seats, s *stock) bool {
	if s.epoch == x.epoch+1 {
		return true
	}
	if len(x.names) > manyNames {
		*x = indexes{epoch: x.epoch + 1}
	}
	known := len(x.names)
	s.epoch, s.index, s.amounts = 0, make([]int32, 0, len(s.all)), make([]int64, 0, len(s.all))
	for name, q := range s.all.All() {
		if q <= 0 {
			continue
		}
		i, ok := x.at[name]
		if !ok {
			if x.at == nil {
				x.at = map[string]int32{}
			}
			i = int32(len(x.names))
			x.at[name], x.names = i, append(x.names, name)
		}
		s.index, s.amounts = append(s.index, i), append(s.amounts, q)
	}
	if len(x.names) > known {
		if err := seats.SetIndex(x.names); err != nil {
			*x = indexes{epoch: x.epoch + 1}
			return false
		}
	}
	s.epoch = x.epoch + 1
	return true
}

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
	s := &stock{all: r}
	t.byText[string(key)] = s
	return s
}

// needs returns what amounts by the dimensions of a view are; nil if that is nothing.
func (t *stocks) needs(v *store.View, needs []store.Need) *stock {
	key := append(t.key[:0], 'n') // no free amounts have a key of that length
	for _, n := range needs {
		key = binary.LittleEndian.AppendUint32(key, uint32(n.Dim))
		key = binary.LittleEndian.AppendUint64(key, uint64(n.Amount))
	}
	t.key = key
	t.follow(v)
	if s, ok := t.byFree[string(key)]; ok {
		return s
	}
	text, r := string(key), berth.Resources(nil)
	for _, n := range needs {
		if n.Amount > 0 {
			r = with(r, v.Dims()[n.Dim], n.Amount)
		}
	}
	var s *stock
	if r != nil {
		s = t.of(r)
	}
	t.byFree[text] = s
	return s
}

// follow forgets what was told by columns that have other names by now.
func (t *stocks) follow(v *store.View) {
	if t.naming != v.Naming() || t.byFree == nil || len(t.byFree) >= manyStocks {
		t.naming, t.byFree = v.Naming(), map[string]*stock{}
	}
}

// free returns what is free on a node, as far as it is in no device.
func (t *stocks) free(v *store.View, row uint32) *stock { return t.amounts(v, v.Free(row)) }

// amounts returns what amounts by the dimensions of a view are, those below zero left out.
func (t *stocks) amounts(v *store.View, free []int64) *stock {
	t.follow(v)
	key := t.key[:0]
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
