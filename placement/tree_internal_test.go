package placement

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/internal/store"
)

// model is the rows that a tree should have, in a list that is sorted anew for every question.
type model struct {
	entries []entry
	amounts map[uint32][]int64
}

func (m *model) sorted() []entry {
	slices.SortFunc(m.entries, compareEntries)
	return m.entries
}

// refusing accepts the rows that are not in it.
type refusing map[uint32]bool

func (r refusing) accepts(row uint32) bool { return !r[row] }

// TestTreeAgainstList inserts, removes and updates at random, gathering at few keys and scattering again, so that blocks
// and chunks split and go, and asks the tree and a sorted list the same questions.
func TestTreeAgainstList(t *testing.T) {
	const width, rows = 3, 3000
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 1))
		column := make([]int64, rows*width)
		tr := &tree{pool: &chunkPool{width: width, column: &column}}
		m := &model{amounts: map[uint32][]int64{}}
		ranks := make([]uint32, rows)
		for row, rank := range rng.Perm(rows) {
			ranks[row] = uint32(rank)
		}
		some := func() []int64 { return []int64{rng.Int64N(100), rng.Int64N(100), rng.Int64N(100)} }
		for row := range uint32(rows / 2) {
			m.amounts[row] = some()
			copy(column[row*width:], m.amounts[row])
			m.entries = append(m.entries, entry{rng.Int64N(50), ranks[row], row})
		}
		tr.fill(slices.Clone(m.entries))
		most, fewest := 0, rows
		for round := range 400 {
			for range rng.IntN(30) {
				row := uint32(rng.IntN(rows))
				at := slices.IndexFunc(m.entries, func(a entry) bool { return a.row == row })
				switch {
				case at < 0 && round/60%2 == 0:
					a := entry{rng.Int64N(4) * int64(round), ranks[row], row}
					m.entries, m.amounts[row] = append(m.entries, a), some()
					tr.insert(a, m.amounts[row])
				case at >= 0 && rng.IntN(3) == 0:
					m.amounts[row] = some()
					copy(column[row*width:], m.amounts[row])
					tr.update(m.entries[at].position(), m.amounts[row])
				case at >= 0 && (round/60%2 == 1 || rng.IntN(4) == 0):
					tr.remove(m.entries[at].position())
					m.entries = slices.Delete(m.entries, at, at+1)
				}
			}
			if round == 200 { // ranks that leave gaps, in the same order
				for row := range ranks {
					ranks[row] = ranks[row]*2 + 1
				}
				for i := range m.entries {
					m.entries[i].rank = ranks[m.entries[i].row]
				}
				tr.renumber(ranks)
			}
			want := m.sorted()
			var c checker
			var got []entry
			c.tree(tr, func(a entry, amounts []int64) error {
				got = append(got, a)
				if !slices.Equal(amounts, m.amounts[a.row]) {
					return fmt.Errorf("amounts of row %d", a.row)
				}
				return nil
			})
			require.NoError(t, errors.Join(c.faults...), "seed %d, round %d", seed, round)
			require.Equal(t, want, got, "seed %d, round %d", seed, round)
			most, fewest = max(most, len(tr.chunks)), min(fewest, len(tr.chunks))
			if len(want) == 0 {
				continue
			}
			p := position{rng.Int64N(200) - 5, uint32(rng.IntN(2 * rows))}
			n := len(want)
			if i := slices.IndexFunc(want, func(a entry) bool { return !a.position().before(p) }); i >= 0 {
				n = i
			}
			require.Equal(t, n, tr.countBefore(p))
			require.Equal(t, want[0].position(), tr.head())

			w := &wanted{needs: []store.Need{{Dim: 0, Amount: rng.Int64N(110)}, {Dim: 1, Amount: rng.Int64N(110)}}, leastAt: 2, least: rng.Int64N(60)}
			no := refusing{}
			for range 20 {
				no[uint32(rng.IntN(rows))] = true
			}
			floor := int64(math.MinInt64)
			if rng.IntN(2) == 0 {
				floor = rng.Int64N(100)
			}
			if rng.IntN(3) == 0 {
				p = treeStart
			}
			first, found := entry{}, false
			for _, a := range want {
				if !a.position().before(p) && w.within(m.amounts[a.row]) && !no[a.row] {
					first, found = a, true
					break
				}
			}
			row, ok, end := tr.find(w, no, p, floor)
			if found && first.key >= floor {
				require.True(t, ok)
				require.Equal(t, first.row, row)
				continue
			}
			require.False(t, ok)
			if found { // nothing before the end will do
				require.False(t, first.position().before(end), "seed %d, round %d: %v is before %v", seed, round, first, end)
			}
		}
		require.Less(t, fewest, most)
	}
}

// TestTreeOfGreatKeys: keys and ranks at both ends of what they can be.
func TestTreeOfGreatKeys(t *testing.T) {
	tr := &tree{pool: &chunkPool{width: 1}}
	require.Zero(t, tr.countBefore(treeEnd))
	var want []entry
	for i, key := range []int64{math.MaxInt64, 1, 0, -1, math.MinInt64} {
		for j, rank := range []uint32{0, 7, math.MaxUint32 - 1} {
			a := entry{key, rank, uint32(i*3 + j)}
			want = append(want, a)
			tr.insert(a, []int64{int64(i)})
		}
	}
	for i, a := range want {
		require.Equal(t, i, tr.countBefore(a.position()))
	}
	require.Equal(t, len(want), tr.countBefore(treeEnd))
	for _, a := range want {
		tr.remove(a.position())
	}
	require.Empty(t, tr.chunks)
}
