package allocator_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// turnsByName is what a Queue and the Turns of a DRF have in common.
type turnsByName interface {
	SetCapacity(res) error
	SetWeight(berth.Role, allocator.Weight) error
	Add(berth.Role, string) error
	Remove(berth.Role, string) error
	Activate(berth.Role, string) error
	Deactivate(berth.Role, string) error
	Charge(berth.Role, string, res) error
	Credit(berth.Role, string, res) error
	SetIndex([]string) error
	Seat(berth.Role, string, int) (uint64, error)
	ChargeSeat(uint64, []int32, []int64) error
	CreditSeat(uint64, []int32, []int64) error
	ActivateSeat(uint64, bool) error
	CloseRole(berth.Role) error
	OpenRole(berth.Role) error
}

type drfTurns struct {
	*allocator.Turns
	drf *allocator.DRF
}

func (d drfTurns) SetWeight(r berth.Role, w allocator.Weight) error { return d.drf.SetWeight(r, w) }

// A Queue by shares is a DRF: the same orders, errors and seats, whatever is done to both. One whose policy panics now and then is, too, once it
// no longer does.
func TestQueueAgainstDRF(t *testing.T) {
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 31))
		cfg := allocator.Config{Exclude: []string{"disk"}, Weights: map[berth.Role]allocator.Weight{"a/x": 2000}}
		drf := newDRF(t, cfg)
		panics := false
		q, err := allocator.NewQueue(allocator.Tree{Exclude: cfg.Exclude, Weights: cfg.Weights, Policy: func(a, b *allocator.Sibling) int {
			if panics && rng.IntN(20) == 0 {
				panic("policy")
			}
			return allocator.ByShare(a, b)
		}})
		require.NoError(t, err)
		both := []turnsByName{drfTurns{drf.Turns(), drf}, q}
		roles := []berth.Role{"", "a", "b", "a/x", "a/y", "a/x/deep", "c/z", "+odd"}
		index := []string{"memory", "", "cpu", "disk"}
		seats := map[allocator.Client][2]uint64{}
		for step := range 1500 {
			c := allocator.Client{Role: roles[rng.IntN(len(roles))], Name: []string{"", "f1", "f2"}[rng.IntN(3)]}
			r, w := res{}, allocator.Weight(500*(1+rng.IntN(4)))
			for range 1 + rng.IntN(2) {
				r[[]string{"cpu", "memory", "disk", "tape"}[rng.IntN(4)]] = rng.Int64N(9)
			}
			at, amounts := []int32{int32(rng.IntN(5)), 2}, []int64{rng.Int64N(4), rng.Int64N(4)}
			op, active := rng.IntN(20), rng.IntN(2) == 0
			if panics = seed%2 == 1 && rng.IntN(4) == 0; panics && op < 6 {
				panics = false // who is known is settled without
			}
			var errs [2]error
			for i, o := range both {
				func() {
					defer func() {
						if v := recover(); v != nil && v != "policy" {
							panic(v)
						}
					}()
					seat := seats[c][i]
					errs[i] = [...]func() error{
						func() error { return o.Add(c.Role, c.Name) },
						func() error { return o.Add(c.Role, c.Name) },
						func() error { return o.Add(c.Role, c.Name) },
						func() error { return o.Remove(c.Role, c.Name) },
						func() error {
							s, err := o.Seat(c.Role, c.Name, step)
							seat = s
							return err
						},
						func() error { return o.SetIndex(index[:3+step%2]) },
						func() error { return o.SetCapacity(res{"cpu": 50 + amounts[0]*10, "memory": 80, "disk": 3}) },
						func() error { return o.SetWeight(c.Role, w) },
						func() error { return o.Activate(c.Role, c.Name) },
						func() error { return o.Deactivate(c.Role, c.Name) },
						func() error { return o.ActivateSeat(seat, active) },
						func() error { return o.CloseRole(c.Role) },
						func() error { return o.OpenRole(c.Role) },
						func() error { return o.OpenRole(c.Role) },
						func() error { return o.Credit(c.Role, c.Name, r) },
						func() error { return o.CreditSeat(seat, at, amounts) },
						func() error { return o.Charge(c.Role, c.Name, r) },
						func() error { return o.Charge(c.Role, c.Name, r) },
						func() error { return o.ChargeSeat(seat, at, amounts) },
						func() error { return o.ChargeSeat(seat, at, amounts) },
					}[op]()
					s := seats[c]
					s[i] = seat
					seats[c] = s
				}()
			}
			panics = false
			if errs[1] != nil || errs[0] != nil && seed%2 == 0 {
				require.EqualError(t, errs[1], errs[0].Error(), "seed %d, step %d, op %d", seed, step, op)
			}
			if rng.IntN(3) > 0 {
				continue
			}
			var order []string
			for role, name := range q.All() {
				order = append(order, allocator.Client{Role: role, Name: name}.String())
			}
			var want []string
			clients := slices.Collect(drf.Order())
			for _, c := range clients {
				want = append(want, c.String())
			}
			require.Equal(t, want, order, "seed %d, step %d, op %d", seed, step, op)
			require.Equal(t, slices.Collect(drf.Tags()), slices.Collect(q.Tags()))
			tag, ok := drf.FirstTag()
			gotTag, gotOK := q.FirstTag()
			require.Equal(t, ok, gotOK)
			require.Equal(t, tag, gotTag)
			if n := len(clients); n > 0 {
				x, y := clients[rng.IntN(n)], clients[rng.IntN(n)]
				require.Equal(t, drf.Before(allocator.Seat(seats[x][0]), allocator.Seat(seats[y][0])), q.Before(seats[x][1], seats[y][1]))
				held, _ := drf.Charged(x)
				got, _ := q.Charged(x.Role, x.Name)
				require.True(t, held.Equal(got))
			}
		}
	}
}

// Policies order clients as they order roles; a walk ends with the first charge.
func TestQueuePolicies(t *testing.T) {
	q, err := allocator.NewQueue(allocator.Tree{
		Policy:     allocator.InTurn(allocator.ByNeed, allocator.ByPriority, allocator.ByShare),
		Below:      map[berth.Role]allocator.Policy{"ci": allocator.ByArrival},
		Priorities: map[berth.Role]int{"prod": 5},
	})
	require.NoError(t, err)
	order := func() string {
		var out []string
		for role, name := range q.All() {
			out = append(out, allocator.Client{Role: role, Name: name}.String())
		}
		return strings.Join(out, " ")
	}
	require.NoError(t, q.SetCapacity(res{"cpu": 100}))
	for _, c := range []string{"z@ci", "a@ci", "m@ci", "web@prod", "db@prod", "x@lab"} {
		c := client(c)
		require.NoError(t, q.Add(c.Role, c.Name))
	}
	assert.Equal(t, "db@prod web@prod z@ci a@ci m@ci x@lab", order())
	require.NoError(t, q.Charge("ci", "z", res{"cpu": 9}))
	require.NoError(t, q.Deactivate("ci", "z"))
	require.NoError(t, q.Activate("ci", "z"))
	assert.Equal(t, "db@prod web@prod x@lab a@ci m@ci z@ci", order(), "who comes again comes last")
	require.NoError(t, q.SetQuota(berth.Quota{Role: "ci", Guarantees: res{"cpu": 10}}))
	assert.Equal(t, "a@ci m@ci z@ci db@prod web@prod x@lab", order(), "9 of 10")
	require.NoError(t, q.Charge("ci", "m", res{"cpu": 1}))
	assert.Equal(t, "db@prod web@prod x@lab a@ci m@ci z@ci", order())
	seen := 0
	for role, name := range q.All() {
		seen++
		require.NoError(t, q.Charge(role, name, nil))
	}
	assert.Equal(t, 1, seen)

	for _, err := range []error{
		q.SetQuota(berth.Quota{Role: "a//b"}), q.SetCapacity(res{"cpu": -1}), q.Add("ci", "z"), q.Remove("ci", "nobody"),
		q.SetIndex([]string{"\x00"}), q.SetWeight("", 5), new(allocator.Queue).Add("a", "b"), (*allocator.Queue)(nil).CloseRole("a"),
		(*allocator.Queue)(nil).Refresh(), func() error { c := *q; return c.Activate("ci", "z") }(),
	} {
		assert.Error(t, err)
	}
	_, err = allocator.NewQueue(allocator.Tree{Exclude: []string{""}})
	assert.Error(t, err)
	_, ok := new(allocator.Queue).FirstTag()
	assert.False(t, ok)
}

// Three queues of an organisation that are served as they came, beside a team that shares fairly with the organisation.
func ExampleNewQueue() {
	queue, err := allocator.NewQueue(allocator.Tree{Below: map[berth.Role]allocator.Policy{"ci": allocator.ByArrival}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = queue.SetCapacity(berth.Resources{"cpu": 8000})
	for _, name := range []string{"nightly", "build", "lint"} {
		_ = queue.Add("ci", name)
	}
	_ = queue.Add("web", "api")
	for range 4 {
		for role, name := range queue.All() { // the first is next; the walk ends when it is charged
			fmt.Println(role, name)
			_ = queue.Charge(role, name, berth.Resources{"cpu": 1000})
			if role == "ci" {
				_ = queue.Deactivate(role, name) // it wanted one task
			}
		}
	}
	// Output:
	// ci nightly
	// web api
	// ci build
	// web api
}

// What is kept from change to change is what it would be if it were made anew: rescaled sums, what is owed, who came first.
func TestQueueIsAsMadeAnew(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 32))
		q, err := allocator.NewQueue(allocator.Tree{
			Hierarchical: seed%2 == 0,
			Policy:       allocator.InTurn(allocator.ByNeed, allocator.ByShare),
			Below:        map[berth.Role]allocator.Policy{"b": allocator.ByArrival, "c": allocator.ByLottery},
			Weights:      map[berth.Role]allocator.Weight{"a/x": 3000, "b": 1 << 60},
			Pools:        map[berth.Role]res{"c": {"cpu": 40, "gpu": 2}},
		})
		require.NoError(t, err)
		require.NoError(t, q.SetCapacity(res{"cpu": 400, "memory": 900, "gpu": 7}))
		roles := []berth.Role{"a", "a/x", "a/y", "b", "b/x", "c", "c/z"}
		order := func() (all []string) {
			for role, name := range q.All() {
				all = append(all, name+"@"+string(role))
			}
			return all
		}
		for step := range 600 {
			role, name := roles[rng.IntN(len(roles))], fmt.Sprint("f", rng.IntN(2))
			r := res{[]string{"cpu", "memory", "gpu"}[rng.IntN(3)]: rng.Int64N(9)}
			switch rng.IntN(12) {
			case 0, 1:
				_ = q.Add(role, name)
			case 2:
				_ = q.Remove(role, name)
			case 3:
				_ = q.Deactivate(role, name)
			case 4:
				_ = q.Activate(role, name)
			case 5:
				require.NoError(t, q.SetQuota(berth.Quota{Role: role, Guarantees: r}))
			case 6:
				require.NoError(t, q.CloseRole(role))
			case 7:
				require.NoError(t, q.OpenRole(role))
			case 8, 9:
				_ = q.Credit(role, name, r)
			default:
				_ = q.Charge(role, name, r)
			}
			got := order()
			if step%3 == 0 {
				require.NoError(t, q.Refresh())
				require.Equal(t, got, order(), "seed %d, step %d", seed, step)
			}
		}
	}
}
