package allocator_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// reference is the rule of the package comment, written to be obviously right: it keeps what each
// client holds, and computes the tree, all shares as fractions and the order anew for each question.
type reference struct {
	capacity res
	exclude  []string
	weights  map[berth.Role]allocator.Weight
	held     map[allocator.Client]res
	inactive map[allocator.Client]bool
	charges  map[string]int // ever made at or below the node with that path
	closed   map[berth.Role]bool
}

func newReference(c allocator.Config) *reference {
	return &reference{
		capacity: c.Capacity.Clone(), exclude: c.Exclude, weights: maps.Clone(c.Weights),
		held: make(map[allocator.Client]res), inactive: make(map[allocator.Client]bool), charges: make(map[string]int),
		closed: make(map[berth.Role]bool),
	}
}

// path is the way from the root to c: the segments of its role, "." and its name.
func path(c allocator.Client) []string {
	var p []string
	if c.Role != "" {
		p = strings.Split(string(c.Role), "/")
	}
	return append(p, ".", c.Name)
}

func (r *reference) charge(c allocator.Client) {
	for i := range path(c) {
		r.charges[fmt.Sprintf("%q", path(c)[:i+1])]++
	}
}

// forget drops the counts of nodes without clients.
func (r *reference) forget() {
	live := make(map[string]bool)
	for c := range r.held {
		for i := range path(c) {
			live[fmt.Sprintf("%q", path(c)[:i+1])] = true
		}
	}
	maps.DeleteFunc(r.charges, func(p string, _ int) bool { return !live[p] })
}

func (r *reference) share(used res) (share *big.Rat, resource string) {
	share = new(big.Rat)
	for name, total := range r.capacity.All() {
		if total == 0 || slices.Contains(r.exclude, name) {
			continue
		}
		if s := big.NewRat(used[name], total); s.Cmp(share) > 0 {
			share, resource = s, name
		}
	}
	return share, resource
}

func (r *reference) order() []allocator.Client {
	return r.below(nil, slices.Collect(maps.Keys(r.held)))
}

func (r *reference) below(prefix []string, clients []allocator.Client) []allocator.Client {
	if len(clients) == 1 && len(path(clients[0])) == len(prefix) {
		if r.inactive[clients[0]] {
			return nil
		}
		return clients
	}
	if r.closed[berth.Role(strings.Join(prefix, "/"))] && !slices.Contains(prefix, ".") {
		return nil
	}
	type child struct {
		name    string
		share   *big.Rat
		charges int
		clients []allocator.Client
	}
	children := make(map[string]*child)
	for _, c := range clients {
		name := path(c)[len(prefix)]
		if children[name] == nil {
			children[name] = &child{name: name}
		}
		children[name].clients = append(children[name].clients, c)
	}
	for name, ch := range children {
		used := res{}
		for _, c := range ch.clients {
			for n, q := range r.held[c] {
				used[n] += q
			}
		}
		ch.share, _ = r.share(used)
		p := append(slices.Clone(prefix), name)
		ch.charges = r.charges[fmt.Sprintf("%q", p)]
		if w, ok := r.weights[berth.Role(strings.Join(p, "/"))]; ok && !slices.Contains(p, ".") {
			ch.share.Mul(ch.share, big.NewRat(int64(allocator.DefaultWeight), int64(w)))
		}
	}
	var out []allocator.Client
	for _, ch := range slices.SortedFunc(maps.Values(children), func(a, b *child) int {
		return cmp.Or(a.share.Cmp(b.share), cmp.Compare(a.charges, b.charges), strings.Compare(a.name, b.name))
	}) {
		out = append(out, r.below(append(slices.Clone(prefix), ch.name), ch.clients)...)
	}
	return out
}

// against applies the commands coded in data to a DRF and to the reference, and compares them after
// each one. Every byte string is a valid program, so the fuzzer and the property test share it.
func against(t *testing.T, data []byte) {
	next := func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b) % n
	}
	resources := []string{"cpu", "memory", "gpu", "disk"}
	amounts := func(most int) res {
		r := res{}
		for range 1 + next(3) {
			r[resources[next(len(resources))]] = int64(next(most))
		}
		return r
	}
	roles := []berth.Role{"", "a", "b", "c", "a/x", "a/y", "a/x/deep", "c/z", "+odd"}
	names := []string{"", "", "f1", "f2", "a/x"}
	weights := []allocator.Weight{1000, 2000, 500, 3000, 333, 1, 1 << 62}

	cfg := allocator.Config{
		Capacity: amounts(100),
		Weights:  map[berth.Role]allocator.Weight{"b": weights[next(len(weights))]},
	}
	if next(3) == 0 {
		cfg.Exclude = []string{"gpu"}
	}
	d, ref := newDRF(t, cfg), newReference(cfg)
	seats, left := make(map[allocator.Client]allocator.Seat), make(map[allocator.Client]bool)
	index := []string{"disk", "", "gpu", "memory", "cpu"}
	require.NoError(t, d.SetIndex(index))
	for step := 0; len(data) > 0; step++ {
		c := allocator.Client{Role: roles[next(len(roles))], Name: names[next(len(names))]}
		known, seat := ref.held[c] != nil, seats[c] // the seat may be that of a client of this name that has gone
		if known && (seat == 0 || left[c] || next(4) == 0) {
			var err error
			seat, err = d.Seat(c, step)
			require.NoError(t, err)
			require.NotZero(t, seat)
			seats[c], left[c] = seat, false
		}
		seated := next(2) == 0
		var err error
		var ok bool
		switch op := next(18); op {
		case 16, 17:
			ref.closed[c.Role] = op == 16
			change := d.OpenRole
			if op == 16 {
				change = d.CloseRole
			}
			err, ok = change(c.Role), true
			next(2)
		case 0, 1, 2:
			err, ok = d.Add(c), !known
			if ok {
				ref.held[c] = res{}
			}
		case 3:
			err, ok = d.Remove(c), known
			if ok {
				delete(ref.held, c)
				delete(ref.inactive, c)
				left[c] = true
				ref.forget()
			}
		case 4:
			if err, ok = nil, known; seated {
				err = d.ActivateSeat(seat, false)
			} else {
				err = d.Deactivate(c)
			}
			if ok {
				ref.inactive[c] = true
			}
		case 5:
			if err, ok = nil, known; seated {
				err = d.ActivateSeat(seat, true)
			} else {
				err = d.Activate(c)
			}
			if ok {
				delete(ref.inactive, c)
			}
		case 6:
			w := weights[next(len(weights))]
			err, ok = d.SetWeight(c.Role, w), c.Role != ""
			if ok {
				ref.weights[c.Role] = w
			}
		case 7:
			ref.capacity, ok = amounts(100), true
			err = d.SetCapacity(ref.capacity)
		case 8:
			r := amounts(20)
			ref.capacity, err = ref.capacity.Plus(r)
			require.NoError(t, err)
			err, ok = d.AddCapacity(r), true
		case 9:
			r := amounts(20)
			ok = ref.capacity.Covers(r)
			if ok {
				ref.capacity, err = ref.capacity.Minus(r)
				require.NoError(t, err)
			}
			err = d.RemoveCapacity(r)
		case 10, 11:
			r := amounts(6)
			ok = known && ref.held[c].Covers(r)
			if ok {
				ref.held[c], err = ref.held[c].Minus(r)
				require.NoError(t, err)
			}
			if seated {
				at, amounts := indexed(index, r)
				err = d.CreditSeat(seat, at, amounts)
			} else {
				err = d.Credit(c, r)
			}
		default:
			r := amounts(8)
			ok = known
			if ok {
				ref.held[c], err = ref.held[c].Plus(r)
				require.NoError(t, err)
				ref.charge(c)
			}
			if seated {
				at, amounts := indexed(index, r)
				err = d.ChargeSeat(seat, at, amounts)
				break
			}
			var v allocator.Vector
			v, err = d.Vector(r)
			require.NoError(t, err)
			err = d.ChargeVector(c, v)
		}
		require.Equal(t, ok, err == nil, "step %d: %v", step, err)
		if next(4) == 0 {
			continue // let changes pile up before the next read
		}
		want := ref.order()
		require.Equal(t, want, slices.Collect(d.Order()), "step %d", step)
		var tags []int
		for _, c := range want {
			seat, err := d.Seat(c, step+len(tags))
			require.NoError(t, err)
			seats[c], left[c] = seat, false
			tags = append(tags, step+len(tags))
		}
		require.Equal(t, tags, slices.Collect(d.Tags()), "step %d", step)
		first, found := d.FirstTag()
		require.Equal(t, len(want) > 0, found)
		if found {
			require.Equal(t, step, first)
			i, j := next(len(want)), next(len(want))
			require.Equal(t, i < j, d.Before(seats[want[i]], seats[want[j]]), "step %d: %v and %v", step, want[i], want[j])
		}
		require.Equal(t, len(ref.held), d.Len())
		for c, held := range ref.held {
			got, _ := d.Charged(c)
			require.True(t, held.Equal(got), "step %d: %v holds %v, want %v", step, c, got, held)
			s, _ := d.Share(c)
			num, den := s.Fraction()
			want, resource := ref.share(held)
			require.Zero(t, want.Cmp(big.NewRat(num, den)), "step %d: %v has %v, want %v", step, c, s, want)
			require.Equal(t, resource, s.Resource, "step %d: %v", step, c)
		}
	}
}

// indexed returns resources by their index, the first amount of each in two parts.
func indexed(index []string, r res) (at []int32, amounts []int64) {
	for name, q := range r.All() {
		i := int32(slices.Index(index, name))
		at, amounts = append(at, i, i), append(amounts, q/2, q-q/2)
	}
	return at, amounts
}

func TestAgainstReference(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			program := make([]byte, 4000)
			for i := range program {
				program[i] = byte(rng.Uint32())
			}
			against(t, program)
		})
	}
}

func FuzzAgainstReference(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("add clients, charge them, change the capacity, and compare with the slow answer"))
	rng := rand.New(rand.NewPCG(7, 7))
	long := make([]byte, 300)
	for i := range long {
		long[i] = byte(rng.Uint32())
	}
	f.Add(long)
	f.Fuzz(func(t *testing.T, data []byte) {
		against(t, data[:min(len(data), 2000)])
	})
}
