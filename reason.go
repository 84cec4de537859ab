package berth

import (
	"fmt"
	"strings"
)

// Code is the kind of a [Reason].
type Code uint8

// Reasons a node cannot take a task. [Explanation] counts them.
const (
	// None is the zero Code: no reason.
	None Code = iota
	// Insufficient: not enough of a resource is free; the subject names it.
	Insufficient
	// NoDevice: no device, or not enough of them, with enough free units; the subject is the request.
	NoDevice
	// NoPort: a port is taken or not the node's, or too few are free; the subject is the request.
	NoPort
	// RuleBroken: a rule about the node's attributes does not hold; the subject is the rule.
	RuleBroken
	// DomainFull: the node's domain may have no more of the group's tasks; the subject is the rule.
	DomainFull
	// Tainted: the node has a taint that is not tolerated; the subject is the taint.
	Tainted
	// Unschedulable: the node takes no new task.
	Unschedulable
	// Cordoned: the node is cordoned.
	Cordoned
	// NotOffered: nothing of the node is offered to who asks, so that nothing is known of the room there. Rules that
	// keep a task off the node are told besides.
	NotOffered

	// NoNodes: there are no nodes.
	NoNodes
	// GangIncomplete: fewer tasks of the gang than its size could be placed. The subject says how many of how
	// many or, of a placement that a commit refused because of another one, names the group.
	GangIncomplete
	// Covered: a daemon group already has its instance on the node.
	Covered

	// UnknownNode: no such node; the subject is its ID.
	UnknownNode
	// UnknownTask: no such task; the subject is its ID.
	UnknownTask
	// UnknownHold: no such hold, or it has expired; the subject is its ID or its owner.
	UnknownHold
	// TaskExists: a task of that ID is known already; the subject says where it is.
	TaskExists
	// HoldExists: a hold of that ID is known already.
	HoldExists
	// GroupDiffers: a group of that name is known with another spec; the subject is the name.
	GroupDiffers
	// NotHeld: the owner's holds on the node do not cover the task.
	NotHeld
	// Denied: the host's admission hook refused; the subject is its word.
	Denied
	// Invalid: the operation itself is at fault; the subject says how.
	Invalid
)

var codeText = [...]string{
	None: "no reason", Insufficient: "insufficient", NoDevice: "no device for", NoPort: "no port", RuleBroken: "rule", DomainFull: "domain full",
	Tainted: "untolerated taint", Unschedulable: "unschedulable", Cordoned: "cordoned", NotOffered: "not offered", NoNodes: "no nodes", GangIncomplete: "gang incomplete", Covered: "already covered",
	UnknownNode: "unknown node", UnknownTask: "unknown task", UnknownHold: "unknown hold", TaskExists: "task exists", HoldExists: "hold exists",
	GroupDiffers: "another group is named", NotHeld: "not held", Denied: "denied", Invalid: "invalid",
}

// String prints the code as [Reason] does, without a subject.
func (c Code) String() string {
	if int(c) < len(codeText) {
		return codeText[c]
	}
	return fmt.Sprintf("reason %d", c)
}

// Reason says in data why something could not be done. Reasons compare with ==.
type Reason struct {
	Code    Code
	Subject string // what the code is about; see the codes
}

// String prints the reason as it reads in "0/5 nodes: 5 ...".
func (r Reason) String() string {
	switch {
	case r.Subject == "":
		return r.Code.String()
	case r.Code == RuleBroken, r.Code == DomainFull:
		return r.Subject
	}
	return r.Code.String() + " " + r.Subject
}

// Error makes a Reason usable as an error.
func (r Reason) Error() string { return r.String() }

// ReasonCount is how many nodes a reason holds for.
type ReasonCount struct {
	Reason Reason
	Nodes  int
}

// Explanation says why no node could take a task, at the moment it was tried: after the placements
// made before it in the same plan. A node is counted under each reason it fails by, so the counts can
// add up to more than the number of nodes.
type Explanation struct {
	// Nodes is how many nodes there are.
	Nodes int
	// Counts are the reasons, the most frequent first.
	Counts []ReasonCount
	// Nearest is the node that came closest, nil if there is no node.
	Nearest *NearMiss
}

// Helps says what would have let the task be placed, if one change on the nearest node would.
func (e *Explanation) Helps() string {
	if e == nil || e.Nearest == nil || len(e.Nearest.Lacks) != 1 {
		return ""
	}
	node, l := e.Nearest.Node, e.Nearest.Lacks[0]
	subject := l.Reason.Subject
	switch l.Reason.Code {
	case Insufficient:
		return fmt.Sprintf("%s more %s on %s would do", formatShortfall(subject, l.Short), subject, node)
	case DomainFull:
		return "a node in another domain of " + subject + " would do"
	case Tainted:
		return "tolerating " + subject + " would do"
	case Unschedulable:
		return "making " + node + " schedulable would do"
	case Cordoned:
		return "uncordoning " + node + " would do"
	case NoDevice:
		return "room for " + subject + " on " + node + " would do"
	}
	return ""
}

// NearMiss is the node that came closest to taking a task: the one with the fewest reasons that more
// room would not cure, then the least shortfall relative to the request, then the lowest ID.
type NearMiss struct {
	Node  string
	Lacks []Lack
}

// Lack is one thing a node lacked. Short is the missing amount for [Insufficient], else 0.
type Lack struct {
	Reason Reason
	Short  int64
	Detail string // what stands in the way, such as the tasks in the node's domain
}

// String prints "lacks 1.2 GiB memory" or the reason with its detail.
func (l Lack) String() string {
	if l.Reason.Code == Insufficient {
		return "lacks " + formatShortfall(l.Reason.Subject, l.Short) + " " + l.Reason.Subject
	}
	s := l.Reason.String()
	if l.Detail != "" {
		s += " (" + l.Detail + ")"
	}
	return s
}

// String prints "3 insufficient cpu, 2 unique(zone); nearest n4: lacks 0.5 cpu".
func (e *Explanation) String() string {
	if e == nil {
		return "no explanation"
	}
	if e.Nodes == 0 {
		return "there are no nodes"
	}
	var b strings.Builder
	for i, c := range e.Counts {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d %v", c.Nodes, c.Reason)
	}
	if e.Nearest != nil {
		fmt.Fprintf(&b, "; nearest %s: ", e.Nearest.Node)
		for i, l := range e.Nearest.Lacks {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(l.String())
		}
	}
	if helps := e.Helps(); helps != "" {
		b.WriteString("; " + helps)
	}
	return b.String()
}

// Unplaced is a task that could not be placed, and why. Tasks of one group that failed alike share
// their explanation.
type Unplaced struct {
	Task   Task
	Reason Reason       // the first reason of the explanation, or why the task was not tried
	Why    *Explanation // nil where it was not for want of a node
}

// String prints "0/5 nodes for web-3: " and the explanation.
func (u Unplaced) String() string {
	if u.Why == nil {
		return fmt.Sprintf("%v: %v", u.Task, u.Reason)
	}
	s := fmt.Sprintf("0/%d nodes for %v: %v", u.Why.Nodes, u.Task, u.Why)
	if u.Reason.Code == GangIncomplete {
		s = fmt.Sprintf("%v; %v", s, u.Reason)
	}
	return s
}
