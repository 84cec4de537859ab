package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Command is one change of a [State]: what one call decided, with nothing left to decide. Usually one
// of its fields besides Time is set; where several are, they are done in the order below.
type Command struct {
	Number uint64    // its place among the commands of its State, from 1 on; 0 in one that no State made
	Time   time.Time // when it was decided, by the State's clock

	Added      []berth.Node
	Updated    []berth.Node
	Removed    []string // nodes
	Cordoned   []string // nodes
	Uncordoned []string // nodes
	Adopted    []Running
	Readopted  []Running
	Confirmed  []string // tasks
	Stopped    []string // tasks
	Quotas     []berth.Quota
	Renewed    []string // tasks, which expire at Deadline

	// Ops are operations that were accepted, in order, their grants filled in.
	Ops []berth.Op
	// Deadline is when the tasks that Ops place, and those that are renewed, expire unless confirmed; zero is never.
	Deadline time.Time
}

// clone returns a copy that shares nothing with what callers handed in.
func (c Command) clone() Command {
	c.Added = cloneNodes(c.Added)
	c.Updated = cloneNodes(c.Updated)
	c.Removed = slices.Clone(c.Removed)
	c.Cordoned = slices.Clone(c.Cordoned)
	c.Uncordoned = slices.Clone(c.Uncordoned)
	c.Adopted = slices.Clone(c.Adopted)
	for i, r := range c.Adopted {
		c.Adopted[i].Grant = r.Grant.Clone()
	}
	c.Readopted = slices.Clone(c.Readopted)
	for i, r := range c.Readopted {
		c.Readopted[i].Grant = r.Grant.Clone()
	}
	c.Confirmed = slices.Clone(c.Confirmed)
	c.Stopped = slices.Clone(c.Stopped)
	c.Quotas = slices.Clone(c.Quotas)
	for i, q := range c.Quotas {
		c.Quotas[i] = q.Clone()
	}
	c.Renewed = slices.Clone(c.Renewed)
	c.Ops = slices.Clone(c.Ops)
	for i, op := range c.Ops {
		if op.Hold != nil {
			c.Ops[i].Hold = op.Hold.Clone()
		}
	}
	return c
}

func cloneNodes(nodes []berth.Node) []berth.Node {
	nodes = slices.Clone(nodes)
	for i := range nodes {
		nodes[i] = *nodes[i].Clone()
	}
	return nodes
}

// String prints the command one effect a line, without its time.
func (c Command) String() string {
	var b strings.Builder
	for _, n := range c.Added {
		fmt.Fprintf(&b, "add node %s: %v\n", n.ID, n.Capacity)
	}
	for _, n := range c.Updated {
		fmt.Fprintf(&b, "update node %s: %v\n", n.ID, n.Capacity)
	}
	list := func(what string, ids []string) {
		for _, id := range ids {
			fmt.Fprintf(&b, "%s %s\n", what, id)
		}
	}
	list("remove node", c.Removed)
	list("cordon node", c.Cordoned)
	list("uncordon node", c.Uncordoned)
	for _, r := range c.Adopted {
		fmt.Fprintf(&b, "adopt %v on %s %v\n", r.Task, r.Node, r.State)
	}
	for _, r := range c.Readopted {
		fmt.Fprintf(&b, "readopt %v on %s %v\n", r.Task, r.Node, r.State)
	}
	list("confirm", c.Confirmed)
	list("stop", c.Stopped)
	for _, q := range c.Quotas {
		fmt.Fprintf(&b, "quota %v\n", q)
	}
	list("renew", c.Renewed)
	for _, op := range c.Ops {
		fmt.Fprintln(&b, op)
	}
	return b.String()
}

// apply carries out a command: the one function that changes a live cluster's nodes and records, whether the
// command has just been decided or is replayed. It runs no policy. Where a command is at fault, it says
// everything that is wrong with it, and what it has done is to be undone.
//
// A commit that is decided as it goes has its operations applied by live.do already, the function that
// does them here too. Doing one checks it again: that costs little and finds a log that does not fit.
func (l *live) apply(c *Command) error {
	if !c.Time.IsZero() {
		l.store.SetTime(c.Time)
	}
	if len(c.Added) > 0 {
		if err := l.fork.AddNodes(c.Added...); err != nil {
			return err
		}
	}
	if len(c.Updated) > 0 {
		if err := l.fork.UpdateNodes(c.Updated...); err != nil {
			return err
		}
	}
	if len(c.Removed) > 0 {
		if err := l.removeNodes(c.Removed); err != nil {
			return err
		}
	}
	if len(c.Cordoned) > 0 {
		if err := l.fork.Cordon(c.Cordoned...); err != nil {
			return err
		}
	}
	if len(c.Uncordoned) > 0 {
		if err := l.fork.Uncordon(c.Uncordoned...); err != nil {
			return err
		}
	}
	if len(c.Adopted) > 0 {
		if err := l.adopt(c.Adopted); err != nil {
			return err
		}
	}
	if len(c.Readopted) > 0 {
		if err := l.readopt(c.Readopted); err != nil {
			return err
		}
	}
	if len(c.Confirmed) > 0 {
		if err := l.mark(berth.Running, c.Confirmed); err != nil {
			return err
		}
	}
	if len(c.Stopped) > 0 {
		if err := l.mark(berth.Stopping, c.Stopped); err != nil {
			return err
		}
	}
	if len(c.Quotas) > 0 {
		if err := l.fork.SetQuotas(c.Quotas...); err != nil {
			return err
		}
	}
	if len(c.Renewed) > 0 {
		if err := l.renew(c.Renewed, c.Deadline); err != nil {
			return err
		}
	}
	var errs []error
	for i := range c.Ops {
		l.prefetch(c.Ops, nil, i)
		if _, why := l.do(&c.Ops[i], c.Deadline, store.Pick{}); why.Code != berth.None {
			errs = append(errs, undone(&c.Ops[i], why))
		}
	}
	return errors.Join(errs...)
}

// undone is the error of an operation of a command that cannot be done.
func undone(op *berth.Op, why berth.Reason) error {
	switch {
	case op.Kind == berth.Release && why.Code == berth.UnknownTask:
		return fmt.Errorf("task %q: %w", op.ID, berth.ErrUnknownTask)
	case op.Kind == berth.Drop && why.Code == berth.UnknownHold:
		return fmt.Errorf("hold %q: %w", op.ID, berth.ErrUnknownHold)
	}
	return fmt.Errorf("%v: %w", op, why)
}
