package placement_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// cards returns a node with a GPU of each model, named by its place.
func cards(id string, models ...string) berth.Node {
	n := plain(id, 8000, 64<<30)
	for _, m := range models {
		n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: m})
	}
	return n
}

// gpus asks for devices and nothing else.
func gpus(requests ...berth.DeviceRequest) *berth.Group {
	return berth.NewGroup("g", berth.GroupSpec{Devices: requests})
}

// taken returns a snapshot of a node on which each task has the grant that is named: "0:500" is 500 units of device 0.
func taken(t testing.TB, n berth.Node, grants ...string) *cluster.Snapshot {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(n))
	for i, text := range grants {
		var share berth.DeviceShare
		require.NoError(t, share.UnmarshalText([]byte("gpu/"+text)))
		d := berth.DeviceRequest{Class: "gpu", Share: share.Units}
		task := berth.NewTask(fmt.Sprint("was", i), berth.GroupSpec{Devices: []berth.DeviceRequest{d}})
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: task, Node: n.ID, Grant: &berth.Grant{Devices: []berth.DeviceShare{share}}})
		require.Equal(t, berth.None, why.Code)
	}
	return f.Snapshot()
}

// left prints what is free of each device.
func left(s *placement.State) string {
	var parts []string
	for _, d := range s.Devices() {
		part := fmt.Sprint(d.Model, " ", d.Free)
		if d.Unhealthy {
			part += "!"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// A term is asked once about each distinct grant, and the best of them is what the task gets, by both pickers.
func TestEachDistinctGrantIsRated(t *testing.T) {
	share := func(units int64) berth.DeviceRequest { return berth.DeviceRequest{Class: "gpu", Share: units} }
	whole := func(n int, models ...string) berth.DeviceRequest {
		return berth.DeviceRequest{Class: "gpu", Count: n, Models: models}
	}
	preferring := func(d berth.DeviceRequest, model string) berth.DeviceRequest {
		d.Prefer = map[string]int64{model: 3}
		return d
	}
	ill := cards("n", "A", "A")
	ill.Devices[0].Unhealthy = true
	for _, c := range []struct {
		what   string
		node   berth.Node
		before []string
		group  *berth.Group
		after  []string // every grant that is rated, in order
	}{
		{"no devices asked for", cards("n", "A"), nil, request("g", 100, 1), []string{"A 1000"}},
		{"all alike", cards("n", "A", "A", "A"), nil, gpus(share(400)), []string{"A 600, A 1000, A 1000"}},
		{
			"two of 700 alike, one of 1000, the least free first", cards("n", "A", "A", "A"), []string{"0:300", "2:300"}, gpus(share(400)),
			[]string{"A 300, A 700, A 1000", "A 700, A 700, A 600"},
		},
		{"100 is too little", cards("n", "A", "A"), []string{"1:900"}, gpus(share(400)), []string{"A 100, A 600"}},
		{"an unhealthy one", ill, nil, gpus(share(400)), []string{"A 600, A 0!"}},
		{
			"two whole ones of models", cards("n", "B", "A", "B", "A"), nil, gpus(whole(2)),
			[]string{"A 0, A 0, B 1000, B 1000", "A 0, A 1000, B 0, B 1000", "A 1000, A 1000, B 0, B 0"},
		},
		{"preferred ones first", cards("n", "A", "B"), nil, gpus(preferring(whole(1), "B")), []string{"A 1000, B 0", "A 0, B 1000"}},
		{
			"a share must leave the A that is wanted", cards("n", "A", "B"), nil, gpus(share(500), whole(1, "A")),
			[]string{"A 0, B 500"},
		},
		{
			"like requests are told apart by nobody", cards("n", "A", "B"), nil, gpus(share(500), share(500)),
			[]string{"A 500, B 500"},
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			var rated []string
			last := placement.OfState("last", func(before, after *placement.State) int64 {
				text := left(after)
				if len(rated) == 0 || rated[len(rated)-1] != text {
					rated = append(rated, text)
				}
				return int64(len(rated)) // each better than those before
			})
			for _, p := range []placement.Picker{placement.NewExhaustive(placement.Best(last)), placement.NewEngine(placement.Best(last))} {
				rated = nil
				s := taken(t, c.node, c.before...)
				p.Start(s)
				op, ok := p.Place(c.group.Task("t"))
				require.True(t, ok)
				require.GreaterOrEqual(t, len(rated), len(c.after))
				assert.Equal(t, c.after, rated[:len(c.after)])
				f := s.Fork()
				_, why := f.Apply(op)
				require.Equal(t, berth.None, why.Code, "a commit takes the grant")
			}
		})
	}
}

// The best grant is the operation's, the most welcome and then the fullest of equals.
func TestTheBestGrantIsTaken(t *testing.T) {
	emptiest := placement.OfState("emptiest", func(before, after *placement.State) (worst int64) {
		for i, d := range after.Devices() {
			if d.Free < before.Devices()[i].Free {
				worst = d.Free
			}
		}
		return worst
	})
	flat := placement.OfState("flat", func(_, after *placement.State) int64 { return int64(len(after.Devices())) })
	sums := placement.OfState("sums", func(_, after *placement.State) int64 { return after.Free[0] })
	half := berth.DeviceRequest{Class: "gpu", Share: 500}
	for _, c := range []struct {
		by   placement.Strategy
		want string
	}{
		{placement.Best(emptiest), "gpu/1:500"},                                   // 500 of 1000 are left, of the others 200 and 400
		{placement.Best(emptiest.Times(-1)), "gpu/0:500"},                         // 200
		{placement.Best(flat), "gpu/0:500"},                                       // as good as each other: the fullest
		{placement.Best(sums), "gpu/0:500"},                                       // no device is looked at: the fullest
		{placement.Best(flat).Then(emptiest), "gpu/1:500"},                        // by the next tier
		{placement.Best(emptiest.Between(0, 400)), "gpu/2:500"},                   // 400 and 500 clamped to it are equal
		{placement.Best(emptiest, emptiest.Times(-2)), "gpu/0:500"},               // 200 - 400 is more than 500 - 1000
		{placement.Best(emptiest).Within(1000), "gpu/1:500"},                      // a tolerance is between nodes
		{placement.Best(placement.InUse()).Then(emptiest.Times(-1)), "gpu/0:500"}, // packing is alike for all
	} {
		for _, p := range []placement.Picker{placement.NewExhaustive(c.by), placement.NewEngine(c.by)} {
			p.Start(taken(t, cards("n", "A", "A", "A"), "0:300", "2:100"))
			op, ok := p.Place(gpus(half).Task("t"))
			require.True(t, ok)
			assert.Equal(t, c.want, op.Grant.String(), "%v %T", c.by, p)
		}
	}
}

// Of more distinct grants than are rated, the first are: 8 shares of 16 models could be had in 12,870 ways.
func TestManyGrantsAreNotAllRated(t *testing.T) {
	var models []string
	for i := range 16 {
		models = append(models, fmt.Sprintf("m%02d", i))
	}
	rated := map[string]bool{}
	term := placement.OfState("any", func(_, after *placement.State) int64 {
		rated[left(after)] = true
		return 0
	})
	p := placement.NewExhaustive(placement.Best(term))
	p.Start(snapshotOf(t, cards("n", models...)))
	op, ok := p.Place(gpus(berth.DeviceRequest{Class: "gpu", Count: 8}).Task("t"))
	require.True(t, ok)
	assert.Equal(t, "gpu/0:1000|gpu/1:1000|gpu/2:1000|gpu/3:1000|gpu/4:1000|gpu/5:1000|gpu/6:1000|gpu/7:1000", op.Grant.String())
	assert.Len(t, rated, placement.MaxGrants)
}

// Models sends tasks to nodes of preferred models, and is nothing to those that prefer none.
func TestModelsBetweenNodes(t *testing.T) {
	nodes := []berth.Node{cards("n1", "T4", "T4"), cards("n2", "A100", "T4"), cards("n3", "A100", "A100")}
	for _, c := range []struct {
		what string
		want string
		d    berth.DeviceRequest
	}{
		// The weights are 0, 7 and 14.
		{"two", "n3", berth.DeviceRequest{Count: 2, Prefer: map[string]int64{"A100": 7}}},
		// They are 0, 7 and 7; by ID the first of those.
		{"one", "n2", berth.DeviceRequest{Count: 1, Prefer: map[string]int64{"A100": 7}}},
		// 0, 0 and -7: where there is another model, that is given.
		{"not", "n1", berth.DeviceRequest{Share: 10, Prefer: map[string]int64{"A100": -7}}},
		{"any", "n1", berth.DeviceRequest{Count: 2}},
		// -3 - 3, -3 + 5 and 5 + 5
		{"both", "n3", berth.DeviceRequest{Count: 2, Prefer: map[string]int64{"A100": 5, "T4": -3}}},
	} {
		c.d.Class = "gpu"
		by := placement.Best(placement.Models()).TiesByID()
		for _, p := range []placement.Picker{placement.NewExhaustive(by), placement.NewEngine(by)} {
			p.Start(snapshotOf(t, nodes...))
			op, ok := p.Place(gpus(c.d).Task("t"))
			require.True(t, ok)
			assert.Equal(t, c.want, op.Node, "%s %T", c.what, p)
		}
	}
	e, plainly := placement.NewEngine(placement.Best(placement.Models()).Then(placement.InUse())), placement.NewEngine(placement.BinPack())
	tasks := request("web", 500, 1<<30).Tasks(20)
	s := snapshotOf(t, benchNodes(50)...)
	assert.Equal(t, place(plainly, s, tasks...), place(e, s, tasks...), "a group that prefers no model")
}

// A Change is what a state is worth after less before, put through a function, and clamped: by both pickers.
func TestChangeThrough(t *testing.T) {
	for _, c := range []struct {
		before, after, want int64
		through             func(int64) int64
	}{
		{5, 12, 7, nil},
		{5, 12, -3, func(change int64) int64 { return 4 - change }}, // 4 - 7
		{5, 200, 100, nil}, // 195, clamped
		{5, 200, 39, func(change int64) int64 { return change / 5 }},
		{math.MinInt64, math.MaxInt64, 100, nil}, // farther apart than any number
		{math.MaxInt64, math.MinInt64, -100, nil},
		{math.MinInt64, 0, 100, nil},
		{math.MaxInt64, 0, -100, nil},
	} {
		term := placement.Change("c", func(s *placement.State) int64 {
			if s.FreeOf("cpu") == 8000 {
				return c.before
			}
			return c.after
		}).Between(-100, 100)
		if c.through != nil {
			term = term.Through(c.through)
		}
		for _, p := range []interface {
			placement.Picker
			Score(berth.Task, string) (placement.Score, bool)
		}{placement.NewExhaustive(placement.Best(term)), placement.NewEngine(placement.Best(term))} {
			p.Start(snapshotOf(t, cards("n")))
			score, ok := p.Score(request("g", 100, 1).Task("t"), "n")
			require.True(t, ok)
			assert.Equal(t, c.want, score[1].Sum, "%+v", c)
		}
	}
}

// What a term says of a grant is within its range whatever it returns, and so is the sum of its tier.
func FuzzRangesOfDeviceTerms(f *testing.F) {
	f.Add(int64(math.MinInt64), int64(math.MaxInt64), int64(-10), int64(20), int64(3), int64(400))
	f.Add(int64(5), int64(-5), int64(0), int64(0), int64(-1), int64(1000))
	f.Add(int64(1)<<44, int64(1)<<45, int64(math.MinInt64), int64(math.MaxInt64), int64(1), int64(1))
	f.Fuzz(func(t *testing.T, of, ofOther, lo, hi, weight, units int64) {
		term := placement.OfState("any", func(_, after *placement.State) int64 {
			if d := after.Devices(); len(d) > 0 && d[0].Free < 1000 {
				return of
			}
			return ofOther
		}).Between(lo, hi).Times(weight)
		by := placement.Best(term).Then(placement.Models(), term)
		if by.Err() != nil { // pickers of it pick some node that fits
			for _, p := range []placement.Picker{placement.NewEngine(by), placement.NewExhaustive(by)} {
				p.Start(snapshotOf(t, cards("n1", "A", "B")))
				_, ok := p.Place(gpus(berth.DeviceRequest{Class: "gpu", Share: 1}).Task("t"))
				require.True(t, ok)
			}
			return
		}
		units = 1 + (units%1000+1000)%1000
		task := gpus(berth.DeviceRequest{Class: "gpu", Share: units, Prefer: map[string]int64{"B": 1000}}).Task("t")
		s := snapshotOf(t, cards("n1", "A", "B"), cards("n2", "B", "B"))
		e, x := placement.NewEngine(by), placement.NewExhaustive(by)
		e.Start(s)
		x.Start(s)
		score, ok := e.Score(task, "n1")
		require.True(t, ok)
		for _, tier := range score {
			sum := int64(0)
			for _, said := range tier.Terms {
				if said.Term == "any" {
					require.True(t, lo <= said.Value && said.Value <= hi, "%d", said.Value)
				}
				sum += said.Weight * said.Value
			}
			require.Equal(t, tier.Sum, sum)
			require.True(t, -1<<62 <= sum && sum <= 1<<62)
		}
		got, _ := e.Place(task)
		want, _ := x.Place(task)
		require.Equal(t, want, got)
	})
}
