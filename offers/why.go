package offers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/enum"
)

// Cause is what keeps offers of a node, or of all nodes, from a framework.
type Cause uint8

// The causes. The first that holds is told, in this order: those of the framework, which are about all nodes, before those of a node.
const (
	// Suppressed: the framework has said so, and has not revived.
	Suppressed Cause = iota
	// Away: it has disconnected, and has not reconnected.
	Away
	// Content: the framework wants nothing, or all that it wants runs, or is offered to it already. Of a node: the instances of the daemons that
	// are all it wants have come there.
	Content
	// Full: it has as many offers as it may have: see Terms.MaxOutstanding. Of a node: with what could be offered there it would have more of
	// all there is than it may: see Terms.MaxPercent.
	Full
	// BackingOff: it let offers end without a word, or gave back all it had, and is offered nothing for a while: see Config.Backoff and
	// Config.DeclineBackoff.
	BackingOff
	// Limited: limits of its role or of those above leave nothing of what it wants.
	Limited
	// Offered: it has an offer of the node that it has not answered.
	Offered
	// Cordoned: the node takes no new tasks.
	Cordoned
	// Excluded: the rules of its terms keep it from the node.
	Excluded
	// Spared: the node has something scarce that the framework does not ask for: see Config.Scarce.
	Spared
	// Gathered: what becomes free there is kept for the demand of another: see Config.Gather.
	Gathered
	// KeptForIt: what is free there of what an instance of the framework's daemon takes is kept for it, and offered to nobody else, but it is not
	// enough yet. Why.Lacks says what is missing.
	KeptForIt
	// Unfit: no task that the framework wants to run could run there, even if nothing were offered to others.
	Unfit
	// Used: nothing is free, even if nothing were offered to others.
	Used
	// TooLittle: less is free, or left by limits, than Config.Least, or that of its [Terms], says is to be offered.
	TooLittle
	// WithOthers: there is room, and it is offered to others.
	WithOthers
	// Filtered: the framework has declined as much of the node.
	Filtered
	// Incomplete: there is room, for tasks of a gang that would not be whole. Why.Lacks says how many of its tasks have a place.
	Incomplete
	// KeptForDaemon: there is room, but so much of it is kept for the instance of somebody's daemon, which waits there for more, that too little is left.
	KeptForDaemon
	// Waiting: nothing. The next pass offers the node, unless it is all gone before the framework's turn comes.
	Waiting
)

var causeWords = []string{
	"suppressed", "away", "content", "full", "backing off", "limited", "offered", "cordoned", "excluded", "spared", "gathered", "kept for its daemon", "unfit", "used", "too little", "with others", "filtered", "incomplete", "kept for a daemon", "waiting",
}

// String returns the cause as a word or two, such as "with others".
func (c Cause) String() string {
	if word, err := enum.Word("cause", causeWords, c); err == nil {
		return string(word)
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// MarshalText returns the cause as String does. It fails for one that there is not.
func (c Cause) MarshalText() ([]byte, error) { return enum.Word("cause", causeWords, c) }

// UnmarshalText reads what MarshalText writes.
func (c *Cause) UnmarshalText(text []byte) error { return enum.Read("cause", causeWords, text, c) }

// Why is why a framework has no offer of a node, or of no node more than it has.
type Why struct {
	Node  string `json:"node,omitempty"` // empty where it is about all nodes
	Cause Cause  `json:"cause"`
	// Until is when it may be otherwise by the clock alone: when the filter ends, or the first of the offers to others. The zero time is not known.
	Until time.Time `json:"until,omitzero"`
	// Lacks are, of Unfit, what keeps the task off the node that lacks the least there of those that the framework wants to run; of KeptForIt what
	// the daemon's instance waits for.
	Lacks []berth.Lack `json:"lacks,omitempty"`
}

// String prints "n1: filtered until 12:00:05", "n2: unfit: lacks 2 cpu".
func (w Why) String() string {
	text := w.Cause.String()
	if w.Node != "" {
		text = w.Node + ": " + text
	}
	if !w.Until.IsZero() {
		text += " until " + w.Until.UTC().Format(time.TimeOnly)
	}
	for i, l := range w.Lacks {
		text += []string{": ", "; "}[min(i, 1)] + l.String()
	}
	return text
}

// NoOffer is why a framework has no more offers than it has, at one moment.
type NoOffer struct {
	Framework   string     `json:"framework"`
	Role        berth.Role `json:"role"`
	Outstanding int        `json:"outstanding"` // offers that it has not answered
	// Cause is about all nodes, or Waiting if there is nothing that is.
	Cause Cause `json:"cause"`
	// Until is when it ends, of BackingOff.
	Until time.Time `json:"until,omitzero"`
	// Over are the limits that keep offers back, as [Subscription.Over] tells them.
	Over []berth.Lack `json:"over,omitempty"`
	// Ahead is how many frameworks come before it in the order, of those that are not suppressed.
	Ahead int `json:"ahead"`
	// Nodes are all nodes by what keeps them from the framework, in the order of causes; none where the cause is about all.
	Nodes []CauseCount `json:"nodes,omitempty"`
}

// CauseCount is how many nodes one cause keeps from a framework, and the first of them by ID.
type CauseCount struct {
	Cause Cause `json:"cause"`
	Nodes int   `json:"nodes"`
	First Why   `json:"first"`
}

// String prints all of it in a line, such as
//
//	framework "ads" of role "eng": 1 offer; 0 frameworks ahead; 5 nodes: 1 offered, 2 with others (n2 until 12:00:30), 2 filtered (n4 until 12:00:05)
func (n *NoOffer) String() string {
	if n == nil {
		return "no framework"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "framework %q of role %q: %s", n.Framework, string(n.Role), plural(n.Outstanding, "offer"))
	if n.Cause != Waiting {
		b.WriteString("; " + n.Cause.String())
	}
	if !n.Until.IsZero() {
		b.WriteString(" until " + n.Until.UTC().Format(time.TimeOnly))
	}
	for _, x := range n.Over {
		b.WriteString("; " + x.Reason.String())
	}
	if n.Cause == Waiting {
		fmt.Fprintf(&b, "; %s ahead", plural(n.Ahead, "framework"))
	}
	total := 0
	var parts []string
	for _, c := range n.Nodes {
		total += c.Nodes
		part := fmt.Sprintf("%d %v", c.Nodes, c.Cause)
		if c.First.Lacks != nil || !c.First.Until.IsZero() {
			part += " (" + strings.Replace(c.First.String(), ": "+c.Cause.String(), "", 1) + ")"
		}
		parts = append(parts, part)
	}
	if total > 0 {
		fmt.Fprintf(&b, "; %s: %s", plural(total, "node"), strings.Join(parts, ", "))
	}
	return b.String()
}

// Why says why the framework has no more offers than it has. It decides nothing, and changes nothing but to end leases that have run
// out. It costs a check of every node, some microseconds for each: it is for who asks, not for each pass. A rule that panics
// counts as one by which the task fits nowhere.
func (s *Subscription) Why(ctx context.Context) (*NoOffer, error) {
	var all *NoOffer
	err := s.do(ctx, "why", func() error {
		all = s.x.newAsker(s).all()
		return nil
	})
	return all, err
}

// WhyNode says why the framework has no offer of one node: O(frameworks with offers of it). It fails if there is no such node.
func (s *Subscription) WhyNode(ctx context.Context, node string) (Why, error) {
	var why Why
	err := s.do(ctx, "why", func() error {
		at, ok := s.x.sites.get(node)
		if !ok {
			return fmt.Errorf("node %q: %w", node, berth.ErrUnknownNode)
		}
		why = s.x.newAsker(s).of(at)
		return nil
	})
	return why, err
}

// Why says of each framework of a role and of the roles below it, in the order of names, why it has no more offers than it has. It
// costs what [Subscription.Why] does for each. Of a role that has no frameworks it says nothing.
func (x *Exchange) Why(ctx context.Context, role berth.Role) ([]*NoOffer, error) {
	var all []*NoOffer
	err := x.call("why", func() error {
		if err := role.Err(); err != nil {
			return err
		}
		if _, err := x.expire(ctx); err != nil {
			return err
		}
		for _, s := range x.inOrder() {
			if s.client.role.Within(role) {
				if err := contextErr(ctx); err != nil {
					return errors.Join(err)
				}
				all = append(all, x.newAsker(s).all())
			}
		}
		return nil
	})
	return all, err
}
