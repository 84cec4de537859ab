package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
)

// result is what became of a cell's tasks in one mode.
type result struct {
	mode           string
	took           time.Duration
	capacity, free berth.Resources
	placed         []berth.Op
	unplaced       []cluster.Unplaced
	shares         []standing
}

func newResult(snapshot *cluster.Snapshot, placed []berth.Op, unplaced []cluster.Unplaced) *result {
	r := &result{capacity: snapshot.Total(), free: berth.Resources{}, placed: placed, unplaced: unplaced}
	for n := range snapshot.Nodes() {
		for name, q := range n.Free() {
			r.free[name] += q
		}
	}
	return r
}

// describe prints what is to be scheduled.
func describe(w io.Writer, c *trace.Cell, capacity berth.Resources) error {
	scarce := c.Scarce()
	_, err := fmt.Fprintf(w, "%s: %d nodes, %d tasks that ask for %s of the %s\n", c.Name, len(c.Nodes), len(c.Pods),
		percentage(c.Asks(scarce), capacity[scarce]), scarce)
	return err
}

func (r *result) report(w io.Writer) error {
	var text bytes.Buffer
	total := len(r.placed) + len(r.unplaced)
	fmt.Fprintf(&text, "\n%s: %d of %d tasks placed, %.0f decisions/s\n", r.mode, len(r.placed), total, float64(total)/r.took.Seconds())
	for name, whole := range r.capacity.All() {
		used := whole - r.free[name]
		fmt.Fprintf(&text, "  %-8s %10s of %10s allocated, %s\n", name, quantity(name, used), quantity(name, whole), percentage(used, whole))
	}
	for i, s := range r.shares {
		if i == 0 {
			fmt.Fprintln(&text, "  dominant shares while the frameworks compete:")
		}
		fmt.Fprintf(&text, "  %8d placed", s.placed)
		for i, name := range s.frameworks {
			fmt.Fprintf(&text, "   %s %.4f", name, s.shares[i].Float64())
			if on := s.shares[i].Resource; on != "" { // nobody's nothing is of any
				fmt.Fprintf(&text, " of %s", on)
			}
		}
		fmt.Fprintln(&text)
	}
	explained := 0
	reasons := map[berth.Reason]int{}
	for _, u := range r.unplaced {
		if u.Why != nil {
			explained++
		}
		reasons[kind(u.Reason)]++
	}
	fmt.Fprintf(&text, "  %d unplaced, %d explained\n", len(r.unplaced), explained)
	var counts []cluster.ReasonCount
	for reason, n := range reasons {
		counts = append(counts, cluster.ReasonCount{Reason: reason, Nodes: n})
	}
	slices.SortFunc(counts, func(a, b cluster.ReasonCount) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Reason.Code, b.Reason.Code), cmp.Compare(a.Reason.Subject, b.Reason.Subject))
	})
	for _, c := range counts {
		fmt.Fprintf(&text, "  %8d %v\n", c.Nodes, c.Reason)
	}
	if len(r.unplaced) > 0 {
		fmt.Fprintf(&text, "  the first: %v\n", r.unplaced[0])
	}
	_, err := w.Write(text.Bytes())
	return err
}

// kind leaves out how much of a GPU was asked for, or there would be as many reasons as shapes.
func kind(r berth.Reason) berth.Reason {
	switch r.Code {
	case berth.NoDevice, berth.DeviceTaken:
		r.Subject = trace.GPU
	}
	return r
}

func quantity(name string, q int64) string {
	if name == trace.GPU {
		name = "cpu" // both count in thousandths
	}
	return berth.FormatQuantity(name, q)
}

func percentage(part, whole int64) string {
	return strconv.FormatFloat(100*float64(part)/float64(max(whole, 1)), 'f', 1, 64) + " %"
}
