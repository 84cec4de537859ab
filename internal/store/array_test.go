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
			token   *token
			want    [][]int64
		}
		handles := []*handle{{columns: Columns{width: 2}, token: new(token)}}
		for range 3000 {
			h := handles[r.IntN(len(handles))]
			switch c := r.IntN(40); {
			case c == 0 && len(handles) < 6: // a fork: the pages are shared, so both need a new right to write
				next := &handle{array: h.array, columns: h.columns, token: new(token)}
				h.token = new(token)
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
	first := new(token)
	for range rows / 2 {
		a.grow(first)
	}
	b, second, third := a, new(token), new(token)
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
	first := new(token)
	for range 1000 {
		a.grow(first)
	}
	copied := 0
	count := func(page *[pageRows]int) { copied += len(page) }
	a.mutAtCopied(first, 5, count)
	assert.Zero(t, copied, "its own page needs no copy")
	b, second := a, new(token)
	b.mutAtCopied(second, 5, count)
	b.mutAtCopied(second, 6, count)
	assert.Equal(t, pageRows, copied, "one page, once")
	assert.Same(t, a.At(pageRows), b.At(pageRows), "the next page is still shared")
	assert.NotSame(t, a.At(6), b.At(6))
}

func TestColumnsRowCannotReachTheNext(t *testing.T) {
	c, tok := Columns{width: 2}, new(token)
	c.grow(tok)
	c.grow(tok)
	_ = append(c.mutRow(tok, 0), 7)
	assert.Equal(t, []int64{0, 0}, c.Row(1))
	assert.Equal(t, 2, cap(c.Row(0)))
}

// An index must find what a map finds, under removals, the graves they leave and the rehashes they cause.
func TestIndexAgainstMap(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 0))
		tok, keys, want, slots := new(token), Array[string]{}, map[string]uint32{}, []uint32(nil)
		x := newIndex(tok, 0)
		idOf := func(slot uint32) string { return *keys.At(int(slot)) }
		_, ok := x.find(hashOf("x"), "x", idOf)
		require.False(t, ok, "an empty index")
		var old index
		var oldKeys Array[string]
		var oldWant map[string]uint32
		for step := range 4000 {
			id := fmt.Sprint(r.IntN(300))
			hash := hashOf(id) & 0xff // so that many collide
			if slot, ok := want[id]; ok {
				got, found := x.find(hash, id, idOf)
				require.True(t, found, "seed %d", seed)
				require.Equal(t, slot, got)
				if r.IntN(2) == 0 {
					x.remove(tok, slot, hash)
					*keys.mutAt(tok, int(slot)) = ""
					delete(want, id)
					slots = append(slots, slot)
				}
			} else {
				_, found := x.find(hash, id, idOf)
				require.False(t, found, "seed %d: %s", seed, id)
				slot, ok := pop(&slots)
				if !ok {
					slot = uint32(keys.grow(tok))
				}
				*keys.mutAt(tok, int(slot)) = id
				x.insert(tok, slot, hash)
				want[id] = slot
			}
			require.Equal(t, len(want), x.live)
			require.Less(t, x.used, x.buckets.Len(), "a probe must end at an empty bucket")
			if step == 2000 {
				old, oldKeys, oldWant, tok = x, keys, maps.Clone(want), new(token)
			}
		}
		for i := range 300 {
			id := fmt.Sprint(i)
			slot, found := old.find(hashOf(id)&0xff, id, func(slot uint32) string { return *oldKeys.At(int(slot)) })
			wantSlot, ok := oldWant[id]
			require.Equal(t, ok, found, "seed %d: the index as it was", seed)
			require.Equal(t, wantSlot, slot)
		}
	}
}
