package placement_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// transcript makes a plan and returns all that was decided as text.
func transcript(p placement.Picker, s *cluster.Snapshot, tasks []berth.Task) string {
	var b strings.Builder
	p.Start(s)
	for _, t := range tasks {
		if t.ID == "" {
			_, text := cover(p, t.Group)
			b.WriteString(text)
			continue
		}
		if op, ok := p.Place(t); ok {
			fmt.Fprintln(&b, op)
		} else {
			fmt.Fprintln(&b, t, "nowhere:", p.Explain(t.Group))
		}
	}
	return b.String()
}

// nodesAndTasks are of a random cluster that nothing has happened to.
func nodesAndTasks(seed uint64) (nodes []berth.Node, tasks []berth.Task) {
	h := newHistory(seed)
	for n := range h.fork.Nodes() {
		nodes = append(nodes, n.Node())
	}
	for range 3 {
		tasks = append(tasks, h.batch()...)
	}
	return nodes, tasks
}

// node-order-does-not-matter.
func TestNodeOrderDoesNotMatter(t *testing.T) {
	each(t, func(t *testing.T, p *pair) {
		for seed := range seeds(5) {
			nodes, tasks := nodesAndTasks(seed)
			want := transcript(placement.NewEngine(p.strategy), snapshotOf(t, nodes...), tasks)
			rng := rand.New(rand.NewPCG(seed, 9))
			for range 4 {
				rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
				f := cluster.NewFork() // one by one, so that dimensions and attributes are met in another order
				for _, n := range nodes {
					require.NoError(t, f.AddNodes(n))
				}
				require.Equal(t, want, transcript(placement.NewEngine(p.strategy), f.Snapshot(), tasks), "seed %d", seed)
			}
		}
	})
}

// Scaling all quantities changes no choice. A score is made of parts floor(a x 2^20 / b) with a and b
// quantities of one resource, and floor(ka x 2^20 / kb) is the same number, so any k will do. The
// greatest one takes memory beyond 2^43, from where the product needs 128 bits. Devices divide into
// units that are fixed; what is asked of them stays as it is.
func TestScaleDoesNotMatter(t *testing.T) {
	scaled := func(r berth.Resources, k int64) berth.Resources {
		out := berth.Resources{}
		for name, q := range r {
			out[name] = q * k
		}
		return out
	}
	for _, s := range []placement.Strategy{placement.BinPack(), placement.Spread(), placement.Spread("zone", berth.NodeID), placement.FirstFit()} {
		t.Run(s.String(), func(t *testing.T) {
			for seed := range seeds(5) {
				nodes, tasks := nodesAndTasks(seed)
				choices := func(k int64) (nodesOf []string) {
					big := slices.Clone(nodes)
					for i := range big {
						big[i].Capacity = scaled(nodes[i].Capacity, k)
						big[i].Reserved = map[berth.Role]berth.Resources{}
						for role, r := range nodes[i].Reserved {
							big[i].Reserved[role] = scaled(r, k)
						}
					}
					groups := map[*berth.Group]*berth.Group{}
					p := placement.NewEngine(s)
					p.Start(snapshotOf(t, big...))
					for _, task := range tasks {
						g := groups[task.Group]
						if g == nil {
							spec := task.Group.Spec()
							spec.Request = scaled(spec.Request, k)
							g = berth.NewGroup(task.Group.Name(), spec)
							groups[task.Group] = g
						}
						if task.ID == "" {
							p.Cover(g, func(op berth.Op) { nodesOf = append(nodesOf, op.Node) }, func(node string, _ []berth.Lack) {
								nodesOf = append(nodesOf, "not "+node)
							})
							continue
						}
						op, _ := p.Place(g.Task(task.ID))
						nodesOf = append(nodesOf, op.Node)
					}
					return nodesOf
				}
				want := choices(1)
				for _, k := range []int64{2, 3, 1000, 1 << 20} {
					require.Equal(t, want, choices(k), "seed %d, times %d", seed, k)
				}
			}
		})
	}
}

// A lone task that has a node keeps having one if an empty node is added. It is not so for batches, where
// the first tasks may take the room of the last, nor for rules of even domains, where an empty domain
// closes the others.
func TestAnotherNodeUnplacesNoLoneTask(t *testing.T) {
	each(t, func(t *testing.T, p *pair) {
		tried := 0
		for seed := range seeds(8) {
			h := newHistory(seed)
			for range 2 {
				ops, _, err := pickBoth(p.engine, p.reference, h.fork.Snapshot(), h.batch(), seed)
				require.NoError(t, err)
				h.commit(ops)
			}
			before := h.fork.Snapshot()
			f := before.Fork()
			require.NoError(t, f.AddNodes(h.node("another")))
			after := f.Snapshot()
			for range 20 {
				g := h.group()
				if g.Mode() == berth.Daemon || slices.ContainsFunc(g.Requirements().DomainRules, func(r berth.DomainRule) bool { return r.Counts().Even }) {
					continue
				}
				if place(p.engine, before, g.Task("lone"))[0] != "" {
					tried++
					assert.NotEmpty(t, place(p.engine, after, g.Task("lone"))[0], "seed %d, %+v", seed, g.Spec())
				}
			}
		}
		assert.Positive(t, tried)
	})
}

// InUse is the mean part in use once the task is there, within the two roundings of each resource and of the means.
func TestInUseIsAPart(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 8))
	for range 2_000 {
		total, asked := 1+rng.Int64N(1<<40), rng.Int64N(1<<39)
		used := rng.Int64N(total)
		if asked > total-used {
			asked = total - used
		}
		f := cluster.NewFork()
		require.NoError(t, f.AddNodes(plain("n", total, 7)))
		load := request("load", used, 0)
		require.NoError(t, f.Adopt(load.Task("load"), "n", nil, berth.Running))
		p := placement.NewExhaustive(placement.BinPack("cpu"))
		p.Start(f.Snapshot())
		score, ok := p.Score(request("g", asked, 0).Task("t"), "n")
		require.True(t, ok)
		part := new(big.Int).Mul(big.NewInt(used+asked), big.NewInt(placement.Resolution))
		part.Div(part, big.NewInt(total))
		require.InDelta(t, part.Int64(), score[1].Sum, 2)
		require.LessOrEqual(t, score[1].Sum, part.Int64())
	}
}

// cache-never-decides: an engine that has seen other plans makes the same plan as a fresh one.
func TestUsedEngineEqualsFresh(t *testing.T) {
	each(t, func(t *testing.T, p *pair) {
		var snapshots []*cluster.Snapshot
		var batches [][]berth.Task
		h := newHistory(21)
		for range 8 {
			snapshots = append(snapshots, h.fork.Snapshot())
			batches = append(batches, h.batch())
			ops, _, err := pickBoth(p.engine, p.reference, snapshots[len(snapshots)-1], batches[len(batches)-1], 1)
			require.NoError(t, err)
			h.commit(ops)
			h.change()
		}
		rng := rand.New(rand.NewPCG(2, 2))
		for range 40 {
			i := rng.IntN(len(snapshots))
			want := transcript(placement.NewEngine(p.strategy), snapshots[i], batches[i])
			require.Equal(t, want, transcript(p.engine, snapshots[i], batches[i]))
		}
	})
}

// same-inputs-same-plan, at any parallelism and with engines at work at once on one snapshot.
func TestParallelismDoesNotMatter(t *testing.T) {
	h := newHistory(31)
	s, tasks := h.fork.Snapshot(), append(h.batch(), h.batch()...)
	for _, strategy := range someStrategies() {
		want := transcript(placement.NewExhaustive(strategy), s, tasks)
		for _, procs := range []int{1, 2} {
			before := runtime.GOMAXPROCS(procs)
			got := make([]string, 4)
			var running sync.WaitGroup
			for i := range got {
				running.Go(func() { got[i] = transcript(placement.NewEngine(strategy), s, tasks) })
			}
			running.Wait()
			runtime.GOMAXPROCS(before)
			for i := range got {
				require.Equal(t, want, got[i], "%v on %d", strategy, procs)
			}
		}
	}
}

// TestRandomIsUniform throws 16,000 tasks at 16 nodes. The statistic has 15 degrees of freedom; 99.8 % of its distribution
// lies between 3.48 and 37.70 (the 0.1 % and 99.9 % quantiles of any table).
func TestRandomIsUniform(t *testing.T) {
	var nodes []berth.Node
	for i := range 16 {
		nodes = append(nodes, plain(fmt.Sprintf("n%02d", i), 1<<30, 1<<30))
	}
	s := snapshotOf(t, nodes...)
	g := request("g", 1, 1)
	const each = 1000
	for _, seed := range []uint64{0, 1, 2, 42, math.MaxUint64} {
		n := counts(s, berth.NodeID, place(placement.NewEngine(placement.Random(seed)), s, g.Tasks(16*each)...))
		var chi float64
		for i := range 16 {
			d := float64(n[fmt.Sprintf("n%02d", i)] - each)
			chi += d * d / each
		}
		assert.Greater(t, chi, 3.48, "seed %d", seed)
		assert.Less(t, chi, 37.70, "seed %d", seed)
	}
}

// TestRandomIsStable: a choice depends on the seed, the task's ID and the nodes alone. It is rendezvous hashing (Thaler
// and Ravishankar 1998) with FNV-1a and the finaliser of SplitMix64, written out here again, so that a
// change of either shows; a node that was not chosen can leave without changing the choice.
func TestRandomIsStable(t *testing.T) {
	require.Equal(t, uint64(0xe220a8397b1dcdaf), splitmix(0), "the first number of the published generator for seed 0")
	nodes := []berth.Node{plain("alpha", 1000, 1000), plain("beta", 1000, 1000), plain("gamma", 1000, 1000)}
	for seed := range uint64(50) {
		id := fmt.Sprintf("t-%d", seed)
		want := slices.MaxFunc(nodes, func(a, b berth.Node) int {
			score := func(n berth.Node) uint64 { return splitmix(splitmix(seed^fnv1a(id))^fnv1a(n.ID)) >> 2 }
			if score(a) < score(b) {
				return -1
			}
			return 1
		}).ID
		both := []placement.Picker{placement.NewEngine(placement.Random(seed)), placement.NewExhaustive(placement.Random(seed))}
		for _, p := range both {
			assert.Equal(t, []string{want}, place(p, snapshotOf(t, nodes...), request("g", 1, 1).Task(id)))
			rest := slices.DeleteFunc(slices.Clone(nodes), func(n berth.Node) bool {
				return n.ID != want && n.ID != nodes[seed%3].ID
			})
			assert.Equal(t, []string{want}, place(p, snapshotOf(t, rest...), request("g", 1, 1).Task(id)))
		}
	}
}

func fnv1a(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

func splitmix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}
