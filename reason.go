package berth

import (
	"fmt"
)

// Code is the kind of a [Reason].
type Code uint8

// Reasons a node cannot take a task. cluster.Explanation counts them.
const (
	// None is the zero Code: no reason.
	None Code = iota
	// Insufficient: not enough of a resource is free, though the node has enough in all; the subject names it.
	Insufficient
	// TooSmall: the node has less of a resource in all than a task takes; the subject names it.
	TooSmall
	// ByDevice: a resource is asked for that the node has as devices only; the subject names it.
	ByDevice
	// NoDevice: the node does not have the devices, or not as many; the subject is the request.
	NoDevice
	// DeviceUnhealthy: the node has the devices, but too few are healthy; the subject is the request.
	DeviceUnhealthy
	// DeviceTaken: of the healthy devices too few are free; the subject is the request.
	DeviceTaken
	// UnitsTaken: the devices are free, but adopted tasks take units of their class of no device in particular; the
	// subject is the class.
	UnitsTaken
	// NoPort: a port is not the node's, or the node has too few in all; the subject is the request.
	NoPort
	// PortTaken: a port is taken, or too few are free; the subject is the request.
	PortTaken
	// RuleBroken: a rule about the node's attributes does not hold; the subject is the rule.
	RuleBroken
	// NoDomain: the node lacks the attribute of a rule about domains; the subject is the rule.
	NoDomain
	// DomainFull: the node's domain may have no more of the tasks that a rule counts, or has some that the group keeps apart
	// from; the subject is the rule.
	DomainFull
	// KeptApart: the node's domain has tasks of another group that keeps apart from this one's; the subject is the rule that
	// it has, in the form of package constraints.
	KeptApart
	// NoneNear: the node's domain has none of the tasks that the group must be near; the subject is the rule.
	NoneNear
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
	// NotWhole: another operation of the same part of the plan could not be done; the subject names the part, the operation
	// and why.
	NotWhole
	// Covered: a daemon group already has its instance on the node.
	Covered
	// OverLimit: the role, or one above it, would have more of a resource than its limit; the subject names the role, the
	// resource and the limit. See [Exceeded].
	OverLimit
	// HeldBack: the order of roles gave the task's role no further turn; or, in a cluster.Explanation, it let another role go
	// first, which the subject names, "/" for the root, or a daemon or a task for which room is kept.
	HeldBack

	// UnknownNode: no such node; the subject is its ID, empty where no node was given.
	UnknownNode
	// UnknownTask: no such task; the subject is its ID.
	UnknownTask
	// UnknownHold: no such hold, or it has expired; the subject is its ID or its owner.
	UnknownHold
	// TaskExists: a task of that ID is known already; the subject says where it is.
	TaskExists
	// HoldExists: a hold of that ID is known already.
	HoldExists
	// NotHeld: the owner's holds on the node do not cover the task.
	NotHeld
	// Denied: the host's admission hook refused, and the subject is its word; or the source is not there for tasks of the
	// role, and the subject says so.
	Denied
	// Invalid: the operation itself is at fault; the subject says how.
	Invalid
)

var codeText = [...]string{
	None: "no reason", Insufficient: "insufficient", TooSmall: "too little in all of", ByDevice: "only as devices:",
	NoDevice: "no device for", DeviceUnhealthy: "no healthy device for", DeviceTaken: "no free device for", UnitsTaken: "insufficient units of",
	NoPort: "no port", PortTaken: "no free port", RuleBroken: "refused by", NoDomain: "no domain of", DomainFull: "domain full", KeptApart: "kept off by", NoneNear: "none of",
	Tainted: "untolerated taint", Unschedulable: "unschedulable", Cordoned: "cordoned", NotOffered: "not offered",
	NoNodes: "no nodes", GangIncomplete: "gang incomplete", NotWhole: "not whole:", Covered: "already covered", OverLimit: "over limit", HeldBack: "held back",
	UnknownNode: "unknown node", UnknownTask: "unknown task", UnknownHold: "unknown hold", TaskExists: "task exists", HoldExists: "hold exists",
	NotHeld: "not held", Denied: "denied", Invalid: "invalid",
}

// String prints the code as [Reason] does, without a subject.
func (c Code) String() string {
	if int(c) < len(codeText) {
		return codeText[c]
	}
	return fmt.Sprintf("reason %d", c)
}

// Resolvable reports whether ending tasks, on the node or elsewhere, may cure what the code says of a node: whether it is worth looking
// for tasks to preempt. Of the rest Kubernetes says that they are unresolvable.
func (c Code) Resolvable() bool {
	switch c {
	case Insufficient, DeviceTaken, UnitsTaken, PortTaken, DomainFull, KeptApart, NotOffered, OverLimit:
		return true
	}
	return false
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
	case r.Code == DomainFull:
		return r.Subject
	case r.Code == TooSmall:
		return "too little " + r.Subject + " in all"
	case r.Code == HeldBack:
		return "held back behind " + r.Subject
	}
	return r.Code.String() + " " + r.Subject
}

// Behind returns the reason that the order of roles let a role go first.
func Behind(r Role) Reason { return Reason{Code: HeldBack, Subject: r.orRoot()} }

// Error makes a Reason usable as an error.
func (r Reason) Error() string { return r.String() }

// Lack is one thing a node lacked.
type Lack struct {
	Reason Reason `json:"reason"`
	// Short is by how much more than what is free a task takes, for [Insufficient] and [TooSmall], and in units for
	// [UnitsTaken]. For [NoDevice], where the node has some of the devices, it is the units of those to be added to
	// the free ones. For [OverLimit] it is how much higher the limit would have to be. Else it is 0.
	Short int64 `json:"short,omitempty"`
	// Detail is what stands in the way, such as the tasks in the node's domain or on its ports.
	Detail string `json:"detail,omitempty"`
	// Role, Resource, Limit and Used are set for [OverLimit] only: whose limit it is, of which resource, how high, and how much of it is
	// used. See [Exceeded].
	Role     Role   `json:"role,omitempty"`
	Resource string `json:"resource,omitempty"`
	Limit    int64  `json:"limit,omitempty"`
	Used     int64  `json:"used,omitempty"`
}

// String prints "lacks 1.2 GiB memory" or the reason with its detail.
func (l Lack) String() string {
	s := l.Reason.String()
	switch l.Reason.Code {
	case Insufficient, TooSmall, UnitsTaken:
		s = "lacks " + l.Amount() + " " + l.Reason.Subject
	}
	if l.Detail != "" {
		s += " (" + l.Detail + ")"
	}
	return s
}

// Amount prints Short rounded up, so that as much as it says is enough: "1.2 GiB", and devices by their number.
func (l Lack) Amount() string {
	switch {
	case l.Reason.Code == UnitsTaken || l.Reason.Code == NoDevice:
		return formatUnits(l.Short)
	case l.Reason.Code == OverLimit:
		return formatShortfall(l.Resource, l.Short)
	}
	return formatShortfall(l.Reason.Subject, l.Short)
}
