package allocator_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

type res = berth.Resources

func newDRF(t testing.TB, c allocator.Config) *allocator.DRF {
	t.Helper()
	d, err := allocator.New(c)
	require.NoError(t, err)
	return d
}

// client parses "role" or "name@role".
func client(s string) allocator.Client {
	if name, role, ok := strings.Cut(s, "@"); ok {
		return allocator.Client{Role: berth.Role(role), Name: name}
	}
	return allocator.Client{Role: berth.Role(s)}
}

// order prints the whole order, "a b/c f@d".
func order(d *allocator.DRF) string {
	var out []string
	for c := range d.Order() {
		out = append(out, c.String())
	}
	return strings.Join(out, " ")
}

// user is a client of progressive filling: it takes task after task of one demand, until it has most
// of them (0: no bound) or nothing more fits.
type user struct {
	client string
	demand res
	most   int
}

// fill is progressive filling (NSDI'11, algorithm 1) with indivisible tasks: the client of lowest
// share whose next task fits gets it, until none fits. It goes on from what the DRF holds, and returns
// tasks granted by client and the turns as they came, with the taker's share after each.
func fill(t testing.TB, d *allocator.DRF, users []user) (tasks map[string]int, turns []string) {
	t.Helper()
	free, tasks := d.Capacity(), make(map[string]int)
	by := make(map[allocator.Client]user)
	vectors := make(map[allocator.Client]allocator.Vector)
	for _, u := range users {
		c := client(u.client)
		held, known := d.Charged(c)
		if !known {
			require.NoError(t, d.Add(c))
		}
		v, err := d.Vector(u.demand)
		require.NoError(t, err)
		by[c], vectors[c] = u, v
		for name, q := range held {
			free[name] -= q
		}
	}
	for {
		c, ok := d.Next(func(c allocator.Client) bool {
			u := by[c]
			return free.Covers(u.demand) && (u.most == 0 || tasks[u.client] < u.most)
		})
		if !ok {
			return tasks, turns
		}
		require.NoError(t, d.ChargeVector(c, vectors[c]))
		for name, q := range by[c].demand {
			free[name] -= q
		}
		tasks[by[c].client]++
		if len(turns) < 50 {
			s, _ := d.Share(c)
			turns = append(turns, c.String()+" "+s.String())
		}
	}
}
