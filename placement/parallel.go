package placement

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Rating nodes is the one part of a plan in which nothing depends on what was done just before: each row is rated
// by itself, and the best of all is the best of the parts' bests whichever way they are split. So the rows are split
// over as many goroutines as may run at once. None outlives the call that started it.

const (
	rowsAPart   = 1 << 9  // what a goroutine takes at a time
	rowsAWorker = 1 << 11 // what there must be for each goroutine to be worth its start
)

// split returns into how many parts to split a number of rows, and how many goroutines should do them.
func split(rows int) (parts, workers int) {
	workers = rows / rowsAWorker
	if workers > 1 {
		workers = min(workers, runtime.GOMAXPROCS(0))
	}
	if workers <= 1 {
		return 1, 1
	}
	return (rows + rowsAPart - 1) / rowsAPart, workers
}

// inParts calls do for every part, by workers that take the next part in order when they are done with one, and
// returns when all have returned. The caller's goroutine is one of them, so that it does not wait for processors that
// are busy elsewhere. If do panics, so does inParts, with the panic of the first part in order that has one: parts are
// taken in order, so all before it were done. If do ends its goroutine, inParts ends the caller's.
func inParts(parts, workers int, do func(worker, part int)) {
	var next atomic.Int64
	ends := make([]ending, workers)
	work := func(worker int) {
		end := &ends[worker]
		defer func() {
			if end.panicked = recover(); end.panicked != nil || !end.returned {
				next.Store(int64(parts)) // nobody begins another
			}
		}()
		for {
			if end.part = int(next.Add(1)) - 1; end.part >= parts {
				end.returned = true
				return
			}
			do(worker, end.part)
		}
	}
	var others sync.WaitGroup
	defer others.Wait() // also if do ends the caller's goroutine
	for worker := 1; worker < workers; worker++ {
		others.Go(func() { work(worker) })
	}
	work(0)
	others.Wait()
	first := &ends[0]
	for i := range ends {
		if end := &ends[i]; !end.returned && (first.returned || end.part < first.part) {
			first = end
		}
	}
	switch {
	case first.returned:
	case first.panicked != nil:
		panic(first.panicked)
	default:
		runtime.Goexit()
	}
}

// ending is how a worker ended, and in which part: it returned, it panicked, or else it ended its goroutine, as the
// FailNow of a test does.
type ending struct {
	part     int
	returned bool
	panicked any
}
