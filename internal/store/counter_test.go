package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// A tally is a map, and what was copied of it stays as it was.
func TestTallyIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, keys := range []uint32{3, 40, 5000} {
		var a tally
		model := map[uint32]int32{}
		token := newToken()
		type copied struct {
			tally tally
			want  map[uint32]int32
		}
		var copies []copied
		check := func(a *tally, want map[uint32]int32) {
			t.Helper()
			require.Equal(t, want, maps.Collect(a.all()))
			total, last := 0, -1
			for key, n := range a.all() {
				require.Greater(t, int(key), last)
				last, total = int(key), total+int(n)
				require.Equal(t, n, a.at(key))
			}
			require.Equal(t, total, a.total)
			require.Equal(t, len(want), a.keys)
		}
		for step := range 20_000 {
			key, by := r.Uint32N(keys), int32(r.IntN(3)+1)
			if n := model[key]; n > 0 && r.IntN(2) == step/5000%2 { // it fills, and empties
				by = -min(n, by)
			}
			a.add(token, key, by)
			if model[key] += by; model[key] == 0 {
				delete(model, key)
			}
			require.Equal(t, model[key], a.at(key))
			if step%1000 == 0 {
				copies = append(copies, copied{a, maps.Clone(model)})
				token = newToken()
			}
		}
		check(&a, model)
		for _, c := range copies {
			check(&c.tally, c.want)
		}
	}
}

// counted returns a group at random that selectors choose, and how to say what it asks for.
func counted(r *rand.Rand, name string) (*berth.Group, func(*Store) []CounterKey) {
	label := func() string { return string(rune('a' + r.IntN(3))) }
	spec := berth.GroupSpec{Role: berth.Role([]string{"", "eng/", "eng/web/"}[r.IntN(3)] + label()), Labels: map[string]string{"app": label()}}
	if r.IntN(2) == 0 {
		spec.Labels["tier"] = label()
	}
	var keys []CounterKey
	for range r.IntN(4) {
		k := CounterKey{Of: berth.Label("app", label()), Refusing: r.IntN(3) == 0, WithoutStopping: r.IntN(3) == 0}
		switch r.IntN(6) {
		case 0:
			k.Of = berth.Label("app", label()).Or(berth.Label("tier", label()))
		case 1:
			k.Of = berth.InRole(berth.Role(label()))
		case 2:
			k.Of = berth.InGroup(name)
		case 3:
			k.Of = berth.Label("app", label()).Not()
		}
		if r.IntN(2) == 0 {
			k.Attribute = ByNode
		}
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return berth.NewGroup(name, spec), func(s *Store) []CounterKey {
		out := slices.Clone(keys)
		for i := range out {
			if out[i].Attribute != ByNode {
				out[i].Attribute = s.Attrs().ID("zone")
			}
		}
		return out
	}
}

// recount counts what a counter should have, by its key alone.
func recount(v *View, k CounterKey) map[uint32]int32 {
	counts := map[uint32]int32{}
	for id := range uint32(v.groups.Len()) {
		g := v.Group(id)
		if g.Name == "" || k.Refusing && !slices.Contains(g.Asks, k) || !k.Refusing && !k.Of.Matches(g.Spec) {
			continue
		}
		for slot := range v.Members(id) {
			rec := v.Record(slot)
			if rec.Row == None || k.WithoutStopping && berth.TaskState(rec.State) == berth.Stopping {
				continue
			}
			if k.Attribute == ByNode {
				counts[rec.Row]++
			} else if value, ok := v.Node(rec.Row).Node.Attr(k.Attribute); ok {
				counts[value]++
			}
		}
	}
	return counts
}

// wrongCounters says which counters do not have what they should.
func wrongCounters(v *View) (lines []string) {
	asked := map[string]int{}
	for id := range uint32(v.groups.Len()) {
		for _, k := range v.Group(id).Asks {
			asked[k.text()]++
		}
	}
	unused := 0
	for slot := range uint32(v.counters.Len()) {
		c := v.Counter(slot)
		if c.text == "" {
			continue
		}
		at, ok := v.FindCounter(c.Key)
		if got, want := maps.Collect(c.All()), recount(v, c.Key); !maps.Equal(got, want) || !ok || at != slot || c.users != asked[c.text] {
			lines = append(lines, fmt.Sprintf("%d %s: %v, not %v, users %d, not %d, found %d", slot, c.text, got, want, c.users, asked[c.text], at))
		}
		if c.users == 0 {
			unused++
		}
		delete(asked, c.text)
	}
	for text := range asked {
		lines = append(lines, "no counter "+text)
	}
	if unused != v.idle {
		lines = append(lines, fmt.Sprintf("%d counters are unused, not %d", unused, v.idle))
	}
	return lines
}

// dumpCounters prints the counters that groups ask for.
func dumpCounters(v *View, texts map[uint32]string) string {
	var lines []string
	for slot := range uint32(v.counters.Len()) {
		c := v.Counter(slot)
		if c.users == 0 {
			continue
		}
		by := map[string]int32{}
		for value, n := range c.All() {
			if c.Key.Attribute == ByNode {
				by[fmt.Sprint(value)] = n
			} else {
				by[texts[value]] = n
			}
		}
		lines = append(lines, fmt.Sprint(c.text, " ", by))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Through a random history every counter, in the store, its views and forks, has what counting anew would find.
func TestCountersFollow(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 3))
		stores := []*Store{New()}
		var views []moment
		for step := range 2500 {
			s := stores[r.IntN(len(stores))]
			randomChange(r, s, step)(s)
			if step%25 == 0 {
				require.Empty(t, wrongCounters(s.Present()), "seed %d, step %d", seed, step)
			}
			if step%200 == 0 {
				v := s.Snapshot()
				views = append(views, moment{v, dump(v)})
				stores = append(stores, v.Fork())
			}
		}
		for _, m := range views {
			require.Equal(t, m.want, dump(m.view))
			require.Empty(t, wrongCounters(m.view))
		}
	}
}

// Counters that nobody asks for go, but for some that were asked for last.
func TestCountersGo(t *testing.T) {
	s := New()
	row := s.AddNode(&Node{ID: "n", Spec: &berth.Node{}})
	key := func(i int) CounterKey { return CounterKey{Of: berth.Label("app", fmt.Sprint(i)), Attribute: ByNode} }
	for i := range 200 {
		g := s.AddGroup(Group{Name: fmt.Sprint("g", i), Spec: berth.NewGroup(fmt.Sprint("g", i), berth.GroupSpec{Labels: map[string]string{"app": fmt.Sprint(i)}}), Asks: []CounterKey{key(i)}})
		slot := s.Add(fmt.Sprint("t", i), Record{Group: g, Row: row})
		at, ok := s.FindCounter(key(i))
		require.True(t, ok)
		require.Equal(t, 1, s.Counter(at).Tasks(row))
		s.Remove(slot)
	}
	assert.Equal(t, spareCounters, s.byCounter.live)
	assert.LessOrEqual(t, s.counters.Len(), 2*spareCounters, "slots are used again")
	assert.LessOrEqual(t, s.terms.Len(), 2*spareCounters)
	_, ok := s.FindCounter(key(199))
	assert.True(t, ok, "the last one stays")
	var keys []CounterKey
	for i := range 100 {
		keys = append(keys, key(i))
	}
	for i, slot := range s.Ask(keys) {
		assert.Equal(t, keys[i], s.Counter(slot).Key, "all that are asked for at once are there")
	}
	s.Ask(keys[:1])
	assert.Equal(t, spareCounters, s.byCounter.live)
	assert.Less(t, s.unused.len(), 400)
}
