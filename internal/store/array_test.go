package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Handles of an array, each with its own token, must behave like slices that are copied.
func TestArrayIsCopiedOnWrite(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		type handle struct {
			array   Array[int64] // each row holds the first element of the columns' row
			columns Columns
			token   token
			want    [][]int64
		}
		handles := []*handle{{columns: Columns{width: 2}, token: newToken()}}
		for range 3000 {
			h := handles[r.IntN(len(handles))]
			switch c := r.IntN(40); {
			case c == 0 && len(handles) < 6: // a fork: the pages are shared, so both need a new right to write
				next := &handle{array: h.array, columns: h.columns, token: newToken()}
				h.token = newToken()
				for _, row := range h.want {
					next.want = append(next.want, slices.Clone(row))
				}
				handles = append(handles, next)
			case c == 1 && h.columns.width < 16:
				h.columns = h.columns.widened(h.token, 2*h.columns.width)
				for i := range h.want {
					h.want[i] = append(h.want[i], make([]int64, len(h.want[i]))...)
				}
			case c < 12 || len(h.want) == 0:
				require.Equal(t, len(h.want), h.columns.grow(h.token))
				require.Equal(t, len(h.want), h.array.grow(h.token))
				h.want = append(h.want, make([]int64, h.columns.width))
			default:
				i, v := r.IntN(len(h.want)), r.Int64()
				*h.array.mutAt(h.token, i) = v
				row := h.columns.mutRow(h.token, i)
				row[0], row[len(row)-1] = v, -v
				h.want[i][0], h.want[i][len(row)-1] = v, -v
			}
		}
		for n, h := range handles {
			require.Equal(t, len(h.want), h.columns.Len(), "seed %d", seed)
			require.Equal(t, len(h.want), h.array.Len(), "seed %d", seed)
			for i, row := range h.want {
				require.Equal(t, row, h.columns.Row(i), "seed %d, handle %d, row %d", seed, n, i)
				require.Equal(t, row[0], *h.array.At(i), "seed %d, handle %d, row %d", seed, n, i)
			}
		}
	}
}

// Two tables hold 32*32 pages: beyond them the top table grows, in both of two arrays that share it.
func TestArrayGrowsBeyondItsTables(t *testing.T) {
	const rows = 3*fan*fan*pageRows + 5
	var a Array[int]
	first := newToken()
	for range rows / 2 {
		a.grow(first)
	}
	b, second, third := a, newToken(), newToken()
	for i := range rows {
		if i >= rows/2 {
			a.grow(second)
			b.grow(third)
		}
		*a.mutAt(second, i) = i
		*b.mutAt(third, i) = -i
	}
	for i := range rows {
		require.Equal(t, i, *a.At(i))
		require.Equal(t, -i, *b.At(i))
	}
}

func TestArrayCopiesOnlyWhatItWrites(t *testing.T) {
	var a Array[int]
	first := newToken()
	for range 1000 {
		a.grow(first)
	}
	copied := 0
	count := func(page *[pageRows]int) { copied += len(page) }
	a.mutAtCopied(first, 5, count)
	assert.Zero(t, copied, "its own page needs no copy")
	b, second := a, newToken()
	b.mutAtCopied(second, 5, count)
	b.mutAtCopied(second, 6, count)
	assert.Equal(t, pageRows, copied, "one page, once")
	assert.Same(t, a.At(pageRows), b.At(pageRows), "the next page is still shared")
	assert.NotSame(t, a.At(6), b.At(6))
}

func TestColumnsRowCannotReachTheNext(t *testing.T) {
	c, tok := Columns{width: 2}, newToken()
	c.grow(tok)
	c.grow(tok)
	_ = append(c.mutRow(tok, 0), 7)
	assert.Equal(t, []int64{0, 0}, c.Row(1))
	assert.Equal(t, 2, cap(c.Row(0)))
}

// An index must find what a map finds, under removals, slots used again and the tables made anew on the way; so
// must the views of it that were taken at any time, and their forks, whatever is put in the table afterwards.
func TestIndexAgainstMap(t *testing.T) {
	type world struct {
		x     index
		keys  Array[string]
		want  map[string]uint32
		slots []uint32 // free ones of its own
		token token
	}
	hashFor := func(id string) uint32 { return Hash(id) & 0xff000003 } // so that many collide, in tags and groups
	idOf := func(w *world) func(uint32) string {
		return func(slot uint32) string {
			if int(slot) >= w.keys.Len() {
				return ""
			}
			return *w.keys.At(int(slot))
		}
	}
	check := func(seed uint64, w *world) {
		for i := range 300 {
			id := fmt.Sprint(i)
			slot, found := w.x.find(hashFor(id), id, idOf(w))
			want, ok := w.want[id]
			require.Equal(t, ok, found, "seed %d: %s", seed, id)
			if ok {
				require.Equal(t, want, slot, "seed %d: %s", seed, id)
			}
		}
		_, found := w.x.find(hashFor(""), "", idOf(w))
		require.False(t, found)
	}
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 0))
		w := &world{want: map[string]uint32{}, token: newToken()}
		check(seed, w)
		var views []*world
		for step := range 4000 {
			id := fmt.Sprint(r.IntN(300))
			if slot, ok := w.want[id]; ok {
				if r.IntN(2) == 0 {
					w.x.remove(slot, hashFor(id))
					*w.keys.mutAt(w.token, int(slot)) = ""
					delete(w.want, id)
					w.slots = append(w.slots, slot)
				}
			} else {
				slot, ok := pop(&w.slots)
				if !ok {
					slot = uint32(w.keys.grow(w.token))
				}
				*w.keys.mutAt(w.token, int(slot)) = id
				w.x.insert(slot, hashFor(id), func(slot, hash uint32) bool {
					id := idOf(w)(slot)
					return id != "" && hashFor(id) == hash
				})
				w.want[id] = slot
			}
			require.Equal(t, len(w.want), w.x.live)
			for _, l := range w.x.layers {
				require.LessOrEqual(t, l.used, len(l.groups)*6, "a search must end at an empty bucket")
			}
			switch {
			case step%200 == 0:
				w.x.share()
				views = append(views, &world{x: w.x, keys: w.keys, want: maps.Clone(w.want)})
				w.token = newToken()
			case step%450 == 0: // go on as a fork of a view of the past
				v := views[r.IntN(len(views))]
				w = &world{x: v.x, keys: v.keys, want: maps.Clone(v.want), token: newToken()}
				w.x.own = false
			}
		}
		check(seed, w)
		for _, v := range views {
			check(seed, v)
		}
	}
}

// A table is made anew from time to time, so what came and went does not pile up in it.
func TestIndexForgets(t *testing.T) {
	var x index
	alive := map[uint32]uint32{}
	for i := range uint32(100_000) {
		alive[i] = Hash(fmt.Sprint(i))
		x.insert(i, alive[i], func(slot, hash uint32) bool { h, ok := alive[slot]; return ok && h == hash })
		if i >= 100 {
			x.remove(i-100, alive[i-100])
			delete(alive, i-100)
		}
	}
	require.Equal(t, 100, x.live)
	require.LessOrEqual(t, len(x.layers[0].groups), 64)
	for i := range uint32(100_000) {
		x.insert(100_000+i, i, func(uint32, uint32) bool { return true })
	}
	for i := range uint32(100_000) {
		x.remove(100_000+i, i)
	}
	require.Equal(t, 100, x.live)
	require.LessOrEqual(t, len(x.layers[0].groups), smallGroups, "and what most have left shrinks")
}

// Forks of forks without end have few tables, of which each is much larger than the one above.
func TestIndexOfForksOfForks(t *testing.T) {
	var x index
	lives := func(uint32, uint32) bool { return true }
	for i := range uint32(3000) {
		x.own = false
		x.insert(i, Hash(fmt.Sprint(i)), lives)
		require.LessOrEqual(t, len(x.layers), 6) // 4, 16, 64, 256 and 1,024 groups have room for 3,000
		for j := range len(x.layers) - 1 {
			require.GreaterOrEqual(t, len(x.layers[j].groups), layerRatio*len(x.layers[j+1].groups))
		}
	}
	for i := range uint32(3000) {
		slot, ok := x.find(Hash(fmt.Sprint(i)), fmt.Sprint(i), func(slot uint32) string { return fmt.Sprint(slot) })
		require.True(t, ok)
		require.Equal(t, i, slot)
	}
}

func pop(stack *[]uint32) (uint32, bool) {
	k := len(*stack)
	if k == 0 {
		return 0, false
	}
	top := (*stack)[k-1]
	*stack = (*stack)[:k-1]
	return top, true
}
