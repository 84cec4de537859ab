package suite

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// Runs of a policy that learns: tasks are scheduled one after another, so that none is known before it arrives.

// draw returns the pods and nodes of an experiment, and whether the order of IDs says which of equal nodes is taken.
type draw func(c *trace.Cell, seed int64) (e experiment, byID bool, err error)

func drawInflation(c *trace.Cell, seed int64) (experiment, bool, error) {
	e, err := drawExperiment(c, seed)
	return e, true, err
}

func drawShuffledIDs(c *trace.Cell, seed int64) (experiment, bool, error) {
	e, err := drawExperiment(c, seed)
	return e, false, err
}

// drawIDsByModel has IDs in the order of the models of GPUs, and of nodes of a model in that of the trace.
func drawIDsByModel(c *trace.Cell, seed int64) (experiment, bool, error) {
	e, err := drawExperiment(c, seed)
	model := func(n berth.Node) string {
		if len(n.Devices) == 0 {
			return ""
		}
		return n.Devices[0].Model
	}
	e.nodes = slices.Clone(c.Nodes)
	slices.SortStableFunc(e.nodes, func(a, b berth.Node) int { return strings.Compare(model(a), model(b)) })
	for i := range e.nodes {
		e.nodes[i].ID = fmt.Sprintf("%06d-%s", i, e.nodes[i].ID)
	}
	return e, false, err
}

// gpuInflated is what a run of the published experiment came to, or the sum of several.
type gpuInflated struct {
	allocated [2]float64 // in % at 100 and 130 % of what GPUs there are asked for
	arrived   [6]int     // by class of sizes, until 100 %
	refused   [6]int
}

func (r *gpuInflated) add(o gpuInflated) {
	for i := range r.allocated {
		r.allocated[i] += o.allocated[i]
	}
	for k := range r.arrived {
		r.arrived[k], r.refused[k] = r.arrived[k]+o.arrived[k], r.refused[k]+o.refused[k]
	}
}

func (r *gpuInflated) mean(n int) [2]float64 {
	return [2]float64{r.allocated[0] / float64(n), r.allocated[1] / float64(n)}
}

func (r *gpuInflated) refusedOf(class int) float64 {
	return percent(int64(r.refused[class]), int64(r.arrived[class]))
}

// classes tells what part of each class was refused.
func (r *gpuInflated) classes() string {
	var parts []string
	for k, class := range gpuClasses {
		if r.arrived[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %.1f", class, r.refusedOf(k)))
		}
	}
	return strings.Join(parts, ", ") + " %"
}

// inflateLearning runs the published experiment with tasks that arrive one by one.
func inflateLearning(ctx context.Context, c *trace.Cell, by draw, of func([]trace.Pod) placement.Strategy, seed int64) (r gpuInflated, err error) {
	e, byID, err := by(c, seed)
	if err != nil {
		return r, err
	}
	strategy := of(e.byName).Seed(uint64(seed))
	if byID {
		strategy = strategy.TiesByID()
	}
	s, _, err := schedulerOf(e.nodes, strategy)
	if err != nil {
		return r, err
	}
	l := load{whole: e.whole}
	tasks := (&trace.Cell{Pods: e.pods}).Tasks()
	for i, p := range e.pods {
		out, err := s.Schedule(ctx, tasks[i])
		if err != nil {
			return r, err
		}
		asks, placed := int64(p.GPUs)*p.GPUMilli, len(out.Placed) > 0
		l.add(asks, placed)
		if l.arrived <= e.whole {
			k := gpuClassOf(p.Shape)
			if r.arrived[k]++; !placed {
				r.refused[k]++
			}
		}
	}
	for i, x := range toldAt {
		if x < len(l.counts) && l.counts[x] > 0 {
			r.allocated[i] = l.sums[x] / float64(l.counts[x])
		}
	}
	return r, nil
}

func schedulerOf(nodes []berth.Node, strategy placement.Strategy) (*scheduler.Scheduler, *scheduler.State, error) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	if err != nil {
		return nil, nil, err
	}
	s, err := scheduler.New(state, scheduler.Config{Strategy: strategy})
	return s, state, err
}

// churned is what a run of churn came to, or the sum of several.
type churned struct {
	asked, refused int64    // thousandths of GPUs of those that arrived while it was measured
	large          [2]int64 // tasks of 8 GPUs that arrived, and that were refused
	inUse, whole   int64    // summed over arrivals
}

func (r *churned) add(o churned) {
	r.asked, r.refused = r.asked+o.asked, r.refused+o.refused
	r.large[0], r.large[1] = r.large[0]+o.large[0], r.large[1]+o.large[1]
	r.inUse, r.whole = r.inUse+o.inUse, r.whole+o.whole
}

// churnOfList lets tasks that are drawn from a list arrive one at each step, and live as long as is drawn from an exponential distribution. Its mean is such that 95 % of
// the GPUs would be asked for at once in the mean, were none refused. What finds no node is lost. Of eight mean lives the first three are not
// measured, since the cluster begins empty. Equal seeds draw the same tasks and lives, whatever the policy.
func churnOfList(ctx context.Context, c *trace.Cell, of func([]trace.Pod) placement.Strategy, seed uint64) (r churned, err error) {
	const load, warm, measured = 0.95, 3, 5
	whole, asked := int64(0), int64(0)
	for i := range c.Nodes {
		whole += capacity(&c.Nodes[i])[trace.GPU]
	}
	for _, p := range c.Pods {
		asked += int64(p.GPUs) * p.GPUMilli
	}
	if asked == 0 || whole == 0 {
		return r, errors.New("no GPUs, or nobody who asks for one")
	}
	life := load * float64(whole) * float64(len(c.Pods)) / float64(asked)
	s, state, err := schedulerOf(c.Nodes, of(c.Pods).Seed(seed))
	if err != nil {
		return r, err
	}
	groups := map[trace.Shape]*berth.Group{}
	rng, inUse := pcg(seed, 11), int64(0)
	var ends endings
	for step := range int(life * (warm + measured)) {
		var gone []string
		for len(ends) > 0 && ends[0].at <= step {
			e := heap.Pop(&ends).(ending)
			gone, inUse = append(gone, e.task), inUse-e.asks
		}
		if len(gone) > 0 {
			if err := state.Release(gone...); err != nil {
				return r, err
			}
		}
		shape := c.Pods[rng.IntN(len(c.Pods))].Shape
		lives := -math.Log1p(-rng.Float64()) * life
		g := groups[shape]
		if g == nil {
			g = berth.NewGroup(fmt.Sprintf("shape-%d", len(groups)), shape.Spec(""))
			groups[shape] = g
		}
		t := g.Task(fmt.Sprintf("t%07d", step))
		out, err := s.Schedule(ctx, t)
		if err != nil {
			return r, err
		}
		asks, placed := int64(shape.GPUs)*shape.GPUMilli, len(out.Placed) > 0
		if placed {
			inUse += asks
			heap.Push(&ends, ending{step + 1 + int(lives), t.ID, asks})
		}
		if step < int(life*warm) {
			continue
		}
		r.asked, r.inUse, r.whole = r.asked+asks, r.inUse+inUse/1000, r.whole+whole/1000
		if !placed {
			r.refused += asks
		}
		if shape.GPUs == 8 {
			if r.large[0]++; !placed {
				r.large[1]++
			}
		}
	}
	return r, nil
}

// endings are the ends of tasks, the next first.
type endings []ending

type ending struct {
	at   int
	task string
	asks int64
}

func (e endings) Len() int      { return len(e) }
func (e endings) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e endings) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].task < e[j].task
}
func (e *endings) Push(x any) { *e = append(*e, x.(ending)) }
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// compactList returns on how few machines, the first of a random order, tasks of a list that ask for 60 % of all GPUs have room but for one in 500. They arrive in random
// order, one by one, on an empty cluster for each number that a bisection tries; what fits is not monotone in the number, so another search may
// find another one.
func compactList(ctx context.Context, c *trace.Cell, of func([]trace.Pod) placement.Strategy, seed int64) (int, error) {
	const part = 60
	rng := rand.New(rand.NewSource(seed))
	pods, nodes := slices.Clone(c.Pods), slices.Clone(c.Nodes)
	rng.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	whole, asked := int64(0), int64(0)
	for i := range nodes {
		whole += capacity(&nodes[i])[trace.GPU]
	}
	for i, p := range pods {
		if asked += int64(p.GPUs) * p.GPUMilli; asked*100 >= whole*part {
			pods = pods[:i+1]
			break
		}
	}
	tasks := (&trace.Cell{Pods: pods}).Tasks()
	holds := func(n int) (bool, error) {
		s, _, err := schedulerOf(nodes[:n], of(pods).Seed(uint64(seed)))
		if err != nil {
			return false, err
		}
		pending := 0
		for i := range tasks {
			out, err := s.Schedule(ctx, tasks[i])
			if err != nil {
				return false, err
			}
			if pending += len(out.Unplaced); pending*pendingAllowed > len(tasks) {
				return false, nil
			}
		}
		return true, nil
	}
	lo, hi := 0, len(nodes)
	for hi-lo > 1 {
		middle := (lo + hi) / 2
		enough, err := holds(middle)
		if err != nil {
			return 0, err
		}
		if enough {
			hi = middle
		} else {
			lo = middle
		}
	}
	return hi, nil
}
