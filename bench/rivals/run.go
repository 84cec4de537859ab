package rivals

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// Scheduler is one of those that are compared.
type Scheduler interface {
	Name() string
	// Can reports whether there are words for a case.
	Can(Case) bool
	// Load makes an instance that knows the nodes of a workload, and its tasks as the objects that it takes. It is not timed.
	Load(context.Context, *Workload) (Instance, error)
}

// Instance is a scheduler with nodes. It places the tasks of its workload once.
type Instance interface {
	// Place decides on all tasks. The latencies are those of the decisions made one by one; there are none where they are made together.
	Place(context.Context) (placed []Placement, latencies []time.Duration, err error)
	Close()
}

// Result is what a scheduler did with a workload.
type Result struct {
	Scheduler string
	Case      Case
	Nodes     int
	Tasks     int
	Runs      int // of which this is the one of median time
	Quality

	Took      time.Duration
	P99       time.Duration // of a decision; 0 where decisions are made together
	Allocated uint64        // bytes, of the decisions
	Kept      int64         // bytes of the heap, with the nodes and tasks, after the decisions
}

// Rate returns the decisions a second.
func (r Result) Rate() float64 { return float64(r.Placed) / r.Took.Seconds() }

// enough is for how long a scheduler runs before it is not run again.
const enough = 3 * time.Second

// Run gives a workload to each of the schedulers that can take it, one after another. Each is loaded and run anew up to so many times, at least
// once, until its runs have taken three seconds together; the result is that of the run that took the median time, the longer of two in the middle.
func Run(ctx context.Context, w *Workload, times int, schedulers ...Scheduler) ([]Result, error) {
	var all []Result
	for _, s := range schedulers {
		if !s.Can(w.Case) {
			continue
		}
		var runs []Result
		for took := time.Duration(0); len(runs) == 0 || len(runs) < times && took < enough; {
			r, err := run(ctx, w, s)
			if err != nil {
				return all, fmt.Errorf("%s: %s with %d nodes: %w", s.Name(), w.Case, len(w.Nodes), err)
			}
			took += r.Took
			runs = append(runs, r)
		}
		slices.SortFunc(runs, func(a, b Result) int { return cmp.Compare(a.Took, b.Took) })
		median := runs[len(runs)/2]
		median.Runs = len(runs)
		all = append(all, median)
	}
	return all, nil
}

func run(ctx context.Context, w *Workload, s Scheduler) (Result, error) {
	before := heap()
	instance, err := s.Load(ctx, w)
	if err != nil {
		return Result{}, err
	}
	defer instance.Close()
	allocated := heap().TotalAlloc
	start := time.Now()
	placed, latencies, err := instance.Place(ctx)
	took := time.Since(start)
	if err != nil {
		return Result{}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r := Result{
		Scheduler: s.Name(), Case: w.Case, Nodes: len(w.Nodes), Tasks: w.Tasks(), Quality: Check(w, placed), Took: took,
		Allocated: m.TotalAlloc - allocated, Kept: int64(heap().HeapAlloc) - int64(before.HeapAlloc),
	}
	if len(latencies) > 0 {
		slices.Sort(latencies)
		r.P99 = latencies[len(latencies)*99/100]
	}
	runtime.KeepAlive(instance)
	return r, nil
}

// heap returns the state of the heap without garbage.
func heap() (m runtime.MemStats) {
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
