package store

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTiesAreTheOrderOfHashesAsNodesComeAndGo(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	s := New()
	rows := map[string]uint32{}
	check := func(v *View, seed uint64) {
		var want []uint32
		for row := range uint32(v.Rows()) {
			if v.Node(row).Node != nil {
				want = append(want, row)
			}
		}
		slices.SortFunc(want, func(a, b uint32) int {
			x, y := v.nodeID(a), v.nodeID(b)
			return cmp.Or(cmp.Compare(TieHash(seed, x), TieHash(seed, y)), strings.Compare(x, y))
		})
		ties := v.Ties(seed)
		require.Equal(t, want, slices.Concat([]uint32{}, ties.Order))
		require.Len(t, ties.Rank, v.Rows())
		for rank, row := range want {
			require.Equal(t, uint32(rank), ties.Rank[row])
		}
	}
	var past []*View
	for step := range 400 {
		for range 1 + rng.IntN(5)*rng.IntN(40) {
			id := fmt.Sprintf("node-%d", rng.IntN(600))
			if row, ok := rows[id]; ok && rng.IntN(3) > 0 {
				s.RemoveNode(row)
				delete(rows, id)
			} else if !ok {
				rows[id] = s.AddNode(&Node{ID: id})
			}
		}
		if rng.IntN(3) == 0 {
			check(&s.View, uint64(rng.IntN(2)))
		}
		if step%50 == 0 {
			past = append(past, s.Snapshot())
			for seed := range uint64(maxTies + 2) { // more than are kept
				check(&s.View, seed)
			}
		}
	}
	for _, v := range past {
		check(v, 1)
	}
}

func TestTiesAreWorkedOutOnce(t *testing.T) {
	s := New()
	for i := range 100 {
		s.AddNode(&Node{ID: fmt.Sprint(i)})
	}
	var all [8]*Ties
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() { all[i] = s.Ties(7) })
	}
	wait.Wait()
	for _, ties := range all {
		require.Same(t, all[0], ties)
	}
	s.SetCordoned(3, true)
	require.Same(t, all[0], s.Ties(7), "no node came or went")
	s.AddNode(&Node{ID: "new"})
	k := s.ranked()
	require.Len(t, k.ties, 1, "what was asked for follows")
	s.AddNode(&Node{ID: "another"})
	require.Empty(t, s.ranked().ties, "until nobody asks any more")
}
