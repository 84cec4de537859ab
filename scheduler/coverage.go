package scheduler

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/fit"
)

// Coverage says, for a daemon group, where every node of a source stands. Each node is in exactly one
// of the lists, which are in the order of node IDs.
type Coverage struct {
	Group      *berth.Group `json:"group"`
	Running    []string     `json:"running"`    // nodes with an instance that runs
	Pending    []string     `json:"pending"`    // nodes with an instance that is assumed or stopping, or with room for one
	Blocked    []Miss       `json:"blocked"`    // eligible nodes without an instance, whose room or domain is taken, or not offered now, or whose role is at a limit
	Impossible []Miss       `json:"impossible"` // eligible nodes without an instance that could not have one even if they were empty
	Ineligible []Miss       `json:"ineligible"` // nodes that the group may not run on, or that are cordoned

	// Other are the nodes of Running and Pending whose instance is of another revision of the group.
	Other []string `json:"other"`
}

// Miss is a node without an instance of a daemon group, and every reason why.
type Miss struct {
	Node  string       `json:"node"`
	Lacks []berth.Lack `json:"lacks"`
}

// Complete reports whether every eligible node has an instance that runs, of whichever revision: where Other is empty as well, a
// [Scheduler.Roll] has come to its end. A daemon that suits none of the nodes there are is not complete.
func (c *Coverage) Complete() bool {
	return c != nil && len(c.Pending)+len(c.Blocked)+len(c.Impossible) == 0 && (len(c.Running) > 0 || len(c.Ineligible) == 0)
}

// Suits reports whether there is a node that the group may run on, or runs on.
func (c *Coverage) Suits() bool {
	return c != nil && len(c.Running)+len(c.Pending)+len(c.Blocked)+len(c.Impossible) > 0
}

// String prints the numbers, why each node is blocked or impossible, and whether the daemon suits no node.
func (c *Coverage) String() string {
	if c == nil {
		return "no coverage"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %d running, %d pending, %d blocked, %d impossible, %d not eligible",
		c.Group, len(c.Running), len(c.Pending), len(c.Blocked), len(c.Impossible), len(c.Ineligible))
	if len(c.Other) > 0 {
		fmt.Fprintf(&b, ", %d of another revision", len(c.Other))
	}
	for _, m := range slices.Concat(c.Blocked, c.Impossible) {
		fmt.Fprintf(&b, "; %s: ", m.Node)
		for i, l := range m.Lacks {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(l.String())
		}
	}
	if !c.Suits() {
		b.WriteString("; suits no node")
	}
	return b.String()
}

// Coverage tells where a daemon group stands in the scheduler's source. It looks at every node. On a book of offers it
// tells what the framework was offered: nodes that are not offered are Blocked, and a blind book does not show them at
// all. What is true of the whole cluster tells [CoverageOf] the Snapshot of the framework's Subscription.
func (s *Scheduler) Coverage(ctx context.Context, g *berth.Group) (*Coverage, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	snapshot, err := s.source.Snapshot(ctx)
	if err != nil {
		return nil, faults.Of("scheduler: coverage", err)
	}
	return CoverageOf(snapshot, g)
}

// CoverageOf tells where a daemon group stands in a snapshot: O(nodes). It fails if the group is at
// fault or not a daemon.
func CoverageOf(snapshot *cluster.Snapshot, g *berth.Group) (*Coverage, error) {
	return coverageOf("scheduler: coverage", snapshot, g)
}

func coverageOf(what string, snapshot *cluster.Snapshot, g *berth.Group) (*Coverage, error) {
	if err := g.Err(); err != nil {
		return nil, faults.Of(what, err)
	}
	if g.Mode() != berth.Daemon {
		return nil, fmt.Errorf("%s: group %q: the mode is %v, not daemon", what, g.Name(), g.Mode())
	}
	instances := map[string]cluster.TaskView{}
	for t := range snapshot.Group(g.Name()) {
		if t.Node != "" {
			instances[t.Node] = t
		}
	}
	c := &Coverage{Group: g}
	fork := snapshot.Fork()
	for n := range fork.Nodes() {
		id := n.ID()
		if t, ok := instances[id]; ok {
			if !t.Group.Equal(g) {
				c.Other = append(c.Other, id)
			}
			if t.State == berth.Running {
				c.Running = append(c.Running, id)
			} else {
				c.Pending = append(c.Pending, id)
			}
			continue
		}
		node := n.Node()
		lacks := fork.Lacks(g, n)
		switch {
		case n.Cordoned() || !fit.Eligible(g, &node):
			c.Ineligible = append(c.Ineligible, Miss{id, lacks})
		case slices.ContainsFunc(lacks, lasting):
			c.Impossible = append(c.Impossible, Miss{id, lacks})
		case len(lacks) > 0:
			c.Blocked = append(c.Blocked, Miss{id, lacks})
		default:
			c.Pending = append(c.Pending, id)
		}
	}
	return c, nil
}

// lasting reports whether what a node lacks stays as it is, whatever tasks end or are offered their room.
func lasting(l berth.Lack) bool { return !l.Reason.Code.Resolvable() }
