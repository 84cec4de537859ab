package placement

import (
	"runtime"
	"sync"
)

// Rating nodes is the one part of a plan in which nothing depends on what was done just before: each row is rated
// by itself, and the best of all is the best of the parts' bests whichever way they are split. So the rows are split
// over as many goroutines as may run at once. None outlives the call that started it.

// rowsAPart is how many rows a goroutine must have to be worth its start; with fewer for each, there are fewer.
const rowsAPart = 1024

// partsOf returns into how many parts to split a number of rows.
func partsOf(rows int) int {
	n := rows / rowsAPart
	if n > 1 {
		n = min(n, runtime.GOMAXPROCS(0))
	}
	return max(n, 1)
}

// inParts calls do for each part, all at once, and returns when all have returned. The caller's goroutine does the
// first. If do panics, or ends its goroutine, so does inParts, as the first part in order that did; the parts that
// come after in order may have been done or not.
func inParts(parts int, do func(part int)) {
	ends := make([]ending, parts)
	var others sync.WaitGroup
	defer others.Wait()
	for part := 1; part < parts; part++ {
		others.Go(func() { ends[part].of(func() { do(part) }) })
	}
	do(0)
	others.Wait()
	for i := 1; i < parts; i++ {
		ends[i].again()
	}
}

// ending is how a function ended.
type ending struct {
	panicked any
	exited   bool // its goroutine ended, as by the FailNow of a test
}

func (e *ending) of(do func()) {
	e.exited = true
	defer func() {
		if e.panicked = recover(); e.panicked != nil {
			e.exited = false
		}
	}()
	do()
	e.exited = false
}

// again ends the caller as the function ended.
func (e *ending) again() {
	switch {
	case e.panicked != nil:
		panic(e.panicked)
	case e.exited:
		runtime.Goexit()
	}
}
