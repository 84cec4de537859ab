package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

func revocable(cpu int64) berth.Resources { return berth.Resources{berth.Revocable("cpu"): cpu} }

// SetRevocable changes what is revocable and nothing else of a node, and only where it is otherwise.
func TestSetRevocable(t *testing.T) {
	state := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 4000))
	of := func(id string) berth.Resources {
		n, ok := state.Node(id)
		require.True(t, ok)
		return n.Capacity()
	}
	require.NoError(t, state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 1000, "memory": 5}}))
	assert.Equal(t, berth.Resources{"cpu": 4000, "revocable.cpu": 1000, "revocable.memory": 5}, of("n1"))
	assert.Equal(t, berth.Resources{"cpu": 4000}, of("n2"))
	before, err := state.Snapshot(t.Context())
	require.NoError(t, err)
	require.NoError(t, state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 1000, "memory": 5}, "n2": nil}))
	after, err := state.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before.Version(), after.Version(), "what is so already is no change")
	err = state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": -1}, "n2": {"revocable.cpu": 1}, "n3": nil})
	for _, want := range []string{`node "n1": resource "revocable.cpu": quantity is negative: -1`, `node "n2": resource "revocable.cpu": an estimate goes by the plain name, as "cpu"`, `node "n3"`} {
		assert.ErrorContains(t, err, want)
	}
	require.NoError(t, state.SetRevocable(map[string]berth.Resources{"n1": nil}))
	assert.Equal(t, berth.Resources{"cpu": 4000}, of("n1"))
	assert.ErrorContains(t, state.SetQuotas(berth.Quota{Role: "eng", Guarantees: revocable(1)}), `guarantees: resource "revocable.cpu": not to be guaranteed`)
	assert.ErrorContains(t, state.Hold(berth.Hold{ID: "r", Role: "eng", Node: "n1", Lease: berth.Reserved, Resources: revocable(1)}), `resource "revocable.cpu": not to be reserved`)
	assert.ErrorContains(t, state.UpdateNodes(berth.Node{ID: "n1", Capacity: revocable(2), Reserved: map[berth.Role]berth.Resources{"eng": revocable(1)}}), `reserved for eng: resource "revocable.cpu": not to be reserved`)
}

// Who ends, of what is on one node that has four revocable cores and is told to have fewer.
func TestRevoke(t *testing.T) {
	old := func(ids ...string) func(cluster.TaskView) time.Time {
		return func(t cluster.TaskView) time.Time {
			for i, id := range ids {
				if t.ID == id {
					return time.Unix(int64(i), 0)
				}
			}
			return time.Unix(1000, 0)
		}
	}
	for _, c := range []struct {
		name  string
		sizes []int64 // of tasks a-1, a-2 and so on
		hold  int64
		left  int64
		how   scheduler.Reclaim
		stops []string
		want  string
	}{
		{name: "nobody", sizes: []int64{2, 2}, left: 4},
		{name: "the youngest", sizes: []int64{2, 2}, left: 3, want: "n1 is over by revocable.cpu 0.001: ends a-2"},
		{name: "by the time it started", sizes: []int64{2, 2}, left: 3, how: scheduler.Reclaim{Started: old("a-2", "a-1")}, want: "n1 is over by revocable.cpu 0.001: ends a-1"},
		{name: "as many as it takes", sizes: []int64{1, 1, 1, 1}, left: 1, want: "n1 is over by revocable.cpu 0.003: ends a-4, a-3, a-2"},
		{name: "none that is not needed", sizes: []int64{3, 1}, left: 2, want: "n1 is over by revocable.cpu 0.002: ends a-1"},
		{name: "a large one makes up for a small one", sizes: []int64{1, 3}, left: 1, want: "n1 is over by revocable.cpu 0.003: ends a-2"},
		{name: "offers first", sizes: []int64{2}, hold: 2, left: 3, want: "n1 is over by revocable.cpu 0.001: ends hold h"},
		{name: "offers, and then tasks", sizes: []int64{1, 1}, hold: 2, left: 1, want: "n1 is over by revocable.cpu 0.003: ends hold h, a-2"},
		{name: "what is kept stays", sizes: []int64{2, 2}, left: 3, how: scheduler.Reclaim{Keep: func(t cluster.TaskView) bool { return t.ID == "a-2" }}, want: "n1 is over by revocable.cpu 0.001: ends a-1"},
		{name: "what stops is going", sizes: []int64{2, 2}, left: 3, stops: []string{"a-1"}},
		{name: "all there is", sizes: []int64{2, 2}, left: 0, want: "n1 is over by revocable.cpu 0.004: ends a-2, a-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(1, 0)
			state := newState(t, scheduler.StateConfig{Clock: func() time.Time { return now }}, node("n1", 4))
			require.NoError(t, state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 4}}))
			s, err := scheduler.New(state, scheduler.Config{})
			require.NoError(t, err)
			web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1}})
			tasks := web.Tasks(4) // which have all that is there for good
			for i, size := range c.sizes {
				tasks = append(tasks, berth.NewTask(fmt.Sprint("a-", i+1), berth.GroupSpec{Role: "lab", Request: revocable(size)}))
			}
			out, err := s.Schedule(t.Context(), tasks...)
			require.NoError(t, err)
			require.Empty(t, out.Unplaced)
			if c.hold > 0 {
				require.NoError(t, state.Hold(berth.Hold{ID: "h", Owner: "f", Role: "lab", Node: "n1", Resources: revocable(c.hold), Deadline: now.Add(time.Hour)}))
			}
			require.NoError(t, state.Stop(c.stops...))
			require.NoError(t, state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": c.left}}))
			snapshot, err := state.Snapshot(t.Context())
			require.NoError(t, err)
			revoked, err := s.Revoke(t.Context(), snapshot, c.how)
			require.NoError(t, err)
			if c.want == "" {
				assert.Empty(t, revoked.Nodes)
				assert.Empty(t, revoked.Plan.Ops)
				return
			}
			require.Len(t, revoked.Nodes, 1)
			assert.Equal(t, c.want, revoked.Nodes[0].String())
			done, err := state.Commit(t.Context(), revoked.Plan)
			require.NoError(t, err)
			assert.Empty(t, done.Refused)
			n, _ := state.Node("n1")
			assert.False(t, n.Overcommitted())
			assert.Len(t, idsOn(n, "web"), 4, "who has cores for good is not touched")
		})
	}
	s, err := scheduler.New(newState(t, scheduler.StateConfig{}), scheduler.Config{})
	require.NoError(t, err)
	_, err = s.Revoke(t.Context(), nil, scheduler.Reclaim{})
	assert.EqualError(t, err, "scheduler: revoke: no snapshot")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Revoke(gone, new(cluster.Snapshot), scheduler.Reclaim{})
	assert.ErrorIs(t, err, context.Canceled)
}

// idsOn returns the tasks of a group on a node.
func idsOn(n cluster.NodeView, group string) (ids []string) {
	for t := range n.Tasks() {
		if t.Group.Name() == group {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// Whatever runs where, once what is proposed is done nothing is over that is revocable, and of what was to end nothing could have stayed.
func TestRevokeAtRandom(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 5))
		state := newState(t, scheduler.StateConfig{}, node("n1", 9), node("n2", 9))
		require.NoError(t, state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 30, "memory": 30}, "n2": {"cpu": 30, "memory": 30}}))
		s, err := scheduler.New(state, scheduler.Config{})
		require.NoError(t, err)
		var tasks []berth.Task
		for i := range 20 {
			tasks = append(tasks, berth.NewTask(fmt.Sprint("t", i), berth.GroupSpec{Request: berth.Resources{"cpu": r.Int64N(2), berth.Revocable("cpu"): r.Int64N(5), berth.Revocable("memory"): r.Int64N(5)}}))
		}
		_, err = s.Schedule(t.Context(), tasks...)
		require.NoError(t, err)
		require.NoError(t, state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": r.Int64N(30), "memory": r.Int64N(30)}, "n2": {"cpu": r.Int64N(30)}}))
		snapshot, err := state.Snapshot(t.Context())
		require.NoError(t, err)
		revoked, err := s.Revoke(t.Context(), snapshot, scheduler.Reclaim{})
		require.NoError(t, err)
		_, err = state.Commit(t.Context(), revoked.Plan)
		require.NoError(t, err)
		for _, id := range []string{"n1", "n2"} {
			n, _ := state.Node(id)
			require.False(t, n.Overcommitted(), "seed %d", seed)
		}
		for _, of := range revoked.Nodes {
			n, _ := state.Node(of.Node)
			for _, v := range of.Ends {
				fits := true
				for name, q := range v.Group.Cost() {
					fits = fits && (!berth.IsRevocable(name) || n.Free()[name] >= q)
				}
				require.False(t, fits, "seed %d: %s could have stayed", seed, v.ID)
			}
		}
	}
}

// Of holds as of tasks, none ends that is not needed in the end.
func TestRevokeSparesHoldsAtRandom(t *testing.T) {
	now := time.Unix(1, 0)
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 9))
		s := newState(t, scheduler.StateConfig{Clock: func() time.Time { return now }}, node("n1", 9))
		require.NoError(t, s.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 20, "memory": 20}}))
		of := func() berth.Resources {
			return berth.Resources{"revocable.cpu": rng.Int64N(5), "revocable.memory": rng.Int64N(5)}
		}
		for i := range 6 {
			_ = s.Hold(berth.Hold{ID: fmt.Sprint("h", i), Owner: "f", Role: "lab", Node: "n1", Resources: of(), Deadline: now.Add(time.Hour)})
		}
		sched, err := scheduler.New(s, scheduler.Config{})
		require.NoError(t, err)
		for i := range 4 {
			_, err = sched.Schedule(t.Context(), berth.NewTask(fmt.Sprint("t", i), berth.GroupSpec{Request: of()}))
			require.NoError(t, err)
		}
		require.NoError(t, s.SetRevocable(map[string]berth.Resources{"n1": {"cpu": rng.Int64N(20), "memory": rng.Int64N(20)}}))
		snapshot, err := s.Snapshot(t.Context())
		require.NoError(t, err)
		revoked, err := sched.Revoke(t.Context(), snapshot, scheduler.Reclaim{})
		require.NoError(t, err)
		out, err := s.Commit(t.Context(), revoked.Plan)
		require.NoError(t, err)
		require.Empty(t, out.Refused)
		n, _ := s.Node("n1")
		require.False(t, n.Overcommitted())
		for _, v := range revoked.Nodes {
			for _, h := range v.Holds {
				require.False(t, n.Free().Covers(h.Resources), "seed %d: %v: hold %s could have stayed", seed, v, h.ID)
			}
			for _, e := range v.Ends {
				require.False(t, n.Free().Covers(e.Group.Cost()), "seed %d: %v: %s could have stayed", seed, v, e.ID)
			}
		}
	}
}

// What cannot be lent is refused, with every fault in an order that does not change, and a State stays as it was.
func TestSetRevocableOfWhatCannotBe(t *testing.T) {
	n := node("n1", 4000)
	n.Devices = []berth.Device{{Class: "gpu", Capacity: berth.Resources{"memory": 7}}}
	state := newState(t, scheduler.StateConfig{}, n)
	for _, c := range []struct {
		of   berth.Resources
		want string
	}{
		{berth.Resources{"": 1, " a": 1, "b\x00": 1}, "scheduler: set revocable: node \"n1\": resource: empty name\n" +
			"scheduler: set revocable: node \"n1\": resource \" a\": leading or trailing space\n" +
			"scheduler: set revocable: node \"n1\": resource \"b\\x00\": control character"},
		{berth.Resources{"gpu": 1000, "gpu.memory": 7}, "scheduler: set revocable: node \"n1\": resource \"revocable.gpu\": a device class is not revocable\n" +
			"scheduler: set revocable: node \"n1\": resource \"revocable.gpu.memory\": an amount of devices is not revocable"},
	} {
		assert.EqualError(t, state.SetRevocable(map[string]berth.Resources{"n1": c.of}), c.want)
		at, _ := state.Node("n1")
		assert.Equal(t, berth.Resources{"cpu": 4000, "gpu": 1000, "gpu.memory": 7}, at.Capacity())
	}
}
