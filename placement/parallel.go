package placement

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Rating nodes is the one part of a plan in which nothing depends on what was done just before: each row is rated
// by itself, and the best of all is the best of the batches' bests whichever way they are split. So the rows are split
// over as many goroutines as may run at once. None outlives the call that started it.

const (
	rowsABatch  = 1 << 9  // what a goroutine takes at a time
	rowsAWorker = 1 << 11 // what there must be for each goroutine to be worth its start
)

// split returns into how many batches to split a number of rows, and how many goroutines should do them.
func split(rows int) (batches, workers int) {
	workers = rows / rowsAWorker
	if workers > 1 {
		workers = min(workers, runtime.GOMAXPROCS(0))
	}
	if workers <= 1 {
		return 1, 1
	}
	return (rows + rowsABatch - 1) / rowsABatch, workers
}

// inBatches calls do for every batch, by workers that take the next batch in order when they are done with one, and
// returns when all have returned. The caller's goroutine is one of them, so that it does not wait for processors that
// are busy elsewhere. If do panics, so does inBatches, with the panic of the first batch in order that has one: batches are
// taken in order, so all before it were done. If do ends its goroutine, inBatches ends the caller's.
func inBatches(batches, workers int, do func(worker, batch int)) {
	var next atomic.Int64
	ends := make([]ending, workers)
	work := func(worker int) {
		end := &ends[worker]
		defer func() {
			if end.panicked = recover(); end.panicked != nil || !end.returned {
				next.Store(int64(batches)) // nobody begins another
			}
		}()
		for {
			if end.batch = int(next.Add(1)) - 1; end.batch >= batches {
				end.returned = true
				return
			}
			do(worker, end.batch)
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
		if end := &ends[i]; !end.returned && (first.returned || end.batch < first.batch) {
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

// ending is how a worker ended, and in which batch: it returned, it panicked, or else it ended its goroutine, as the
// FailNow of a test does.
type ending struct {
	batch    int
	returned bool
	panicked any
}
