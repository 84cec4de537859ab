package fit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// allWays gives each device to each request of its class that it can serve, or to none, and returns every way in which all
// requests get what they want: as numbers of devices by request and pool run, requests that ask alike in any order.
func allWays(o *Options, r *berth.Requirements) map[string]bool {
	ways := map[string]bool{}
	given := make([]int, len(o.order))
	var give func(k int)
	give = func(k int) {
		if k < len(given) {
			for j := NoRequest; j < len(r.Devices); j++ {
				if j != NoRequest {
					i := o.order[k]
					d := &r.Devices[j]
					if dev := &o.node.Devices[i]; !accepts(d, dev) || !fits(d, dev, o.free, i, o.atOf(i)) {
						continue
					}
				}
				given[k] = j
				give(k + 1)
			}
			return
		}
		got := make([]int, len(r.Devices))
		for _, j := range given {
			if j != NoRequest {
				got[j]++
			}
		}
		for j, n := range got {
			if n != max(r.Devices[j].Count, 1) {
				return
			}
		}
		way := make([]int32, len(given))
		for k, j := range given {
			way[k] = int32(j)
		}
		ways[textOf(o, r, way)] = true
	}
	give(0)
	return ways
}

// textOf is equal for ways that leave as much on as many devices of each kind, and give requests as many devices of each run.
func textOf(o *Options, r *berth.Requirements, way []int32) string {
	var parts []string
	for j := range r.Devices {
		d := &r.Devices[j]
		taken := make([]int, len(o.runs))
		for i, run := range o.runs {
			for k := run.first; k < run.first+run.n; k++ {
				if way[k] == int32(j) {
					taken[i]++
				}
			}
		}
		parts = append(parts, fmt.Sprint(d.String(), d.Prefer, taken))
	}
	slices.Sort(parts)
	return fmt.Sprint(parts)
}

// The ways that are found are all there are, each once, and each is a grant that a commit accepts.
func TestOptionsAreAllWays(t *testing.T) {
	found := 0
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 11))
		n := &berth.Node{ID: "n"}
		for range 2 + rng.IntN(5) {
			d := berth.Device{Class: []string{"gpu", "gpu", "nic"}[rng.IntN(3)], Model: string(rune('A' + rng.IntN(2))), Unhealthy: rng.IntN(8) == 0}
			if rng.IntN(4) == 0 {
				d.Capacity = berth.Resources{"memory": int64(10 * (1 + rng.IntN(2)))}
			}
			n.Devices = append(n.Devices, d)
		}
		free := All(n)
		for i := range free {
			if free[i] = free[i] * int64(rng.IntN(3)) / 2; i < len(n.Devices) && n.Devices[i].Unhealthy {
				free[i] = 0
			}
		}
		var requests []berth.DeviceRequest
		for range 1 + rng.IntN(3) {
			d := berth.DeviceRequest{Class: []string{"gpu", "gpu", "nic"}[rng.IntN(3)]}
			switch rng.IntN(3) {
			case 0:
				d.Count = 1 + rng.IntN(2)
			case 1:
				d.Share = 500
			default:
				d.Amounts = berth.Resources{"memory": 5}
			}
			if rng.IntN(3) == 0 {
				d.Models = []string{"A"}
			}
			if rng.IntN(3) == 0 {
				d.Prefer = map[string]int64{"B": 1}
			}
			requests = append(requests, d)
		}
		g := berth.NewGroup("g", berth.GroupSpec{Devices: requests})
		require.NoError(t, g.Err())
		r := g.Requirements()
		var o Options
		o.Set(n, Kinds(n), free)
		want := allWays(&o, r)
		got := map[string]bool{}
		for i := range o.Find(r, 1<<20) {
			text := textOf(&o, r, o.Way(i))
			require.False(t, got[text], "seed %d: %s twice", seed, text)
			got[text] = true
			grant := &berth.Grant{Devices: o.Shares(o.Way(i))}
			require.Equal(t, berth.None, CheckGrant(g, n, grant, free, PortRoom{}).Code, "seed %d: %v", seed, grant)
			found++
		}
		require.Equal(t, want, got, "seed %d: %v of %+v, free %v", seed, g.Spec().Devices, n.Devices, free)
		require.Equal(t, ServesAll(n, g, free), len(got) > 0, "seed %d", seed)
		if few := o.Find(r, 2); len(want) > 2 {
			require.Equal(t, 2, few, "seed %d", seed)
		}
	}
	assert.Greater(t, found, 500)
}

// Pools do not tell which of several alike is which: any order of a node's devices of one kind has the same.
func TestPoolsOfNodesAlikeAreEqual(t *testing.T) {
	n := &berth.Node{ID: "n", Devices: []berth.Device{
		{Class: "gpu", Model: "B"}, {Class: "gpu", Model: "A"}, {Class: "gpu", Model: "B"}, {Class: "gpu", Model: "A", Unhealthy: true}, {Class: "fpga"},
	}}
	assert.Equal(t, []int32{3, 1, 3, 2, 0}, Kinds(n), "fpga, gpu A, gpu A that is unhealthy, gpu B")
	var p Pool
	p.Set(n, Kinds(n), []int64{700, 1000, 200, 0, 500})
	assert.Equal(t, []int{4, 1, 3, 2, 0}, p.Order())
	assert.Equal(t, []run{{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}}, p.runs)
	p.Set(n, Kinds(n), []int64{200, 1000, 200, 0, 500})
	assert.Equal(t, []int{4, 1, 3, 0, 2}, p.Order())
	assert.Equal(t, run{3, 2}, p.runs[3])
	p.Set(n, Kinds(n), []int64{200}) // what is not told is not free
	assert.Equal(t, int64(0), p.Units(4))
}

// Requests that ask alike multiply the ways by no more than there are of devices: 40 shares of 40 devices that are alike are one.
func TestLikeRequestsAreOneWay(t *testing.T) {
	n := &berth.Node{ID: "n"}
	var requests []berth.DeviceRequest
	for range 40 {
		n.Devices = append(n.Devices, berth.Device{Class: "gpu"})
		requests = append(requests, berth.DeviceRequest{Class: "gpu", Share: 100})
	}
	var o Options
	o.Set(n, Kinds(n), All(n))
	assert.Equal(t, 1, o.Find(berth.NewGroup("g", berth.GroupSpec{Devices: requests}).Requirements(), 64))
	free := All(n)
	free[0] = 500
	o.Set(n, Kinds(n), free) // all devices are given: with one that has less free, that is one way still
	assert.Equal(t, 1, o.Find(berth.NewGroup("g", berth.GroupSpec{Devices: requests}).Requirements(), 64))
	assert.Equal(t, 2, o.Find(berth.NewGroup("g", berth.GroupSpec{Devices: requests[1:]}).Requirements(), 64), "or one device of either is left")
}
