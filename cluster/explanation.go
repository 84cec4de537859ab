package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/fit"
)

// ReasonCount is how many nodes a reason holds for.
type ReasonCount struct {
	Reason berth.Reason `json:"reason"`
	Nodes  int          `json:"nodes"`
}

// compare is negative if c is told before o.
func (c ReasonCount) compare(o ReasonCount) int {
	return explain.Compare(c.Nodes, c.Reason, o.Nodes, o.Reason)
}

// Explanation says why no node could take a task, at the moment it was tried: after the placements
// made before it in the same plan. A node is counted under each reason it fails by, so the counts can
// add up to more than the number of nodes.
//
// It and what it is made of are written to JSON with the names that stand beside the fields and with words for codes, which stay from release to
// release, and an explanation is read back as it was. What has no number of nodes, or a field besides, is not one.
type Explanation struct {
	// Nodes is how many nodes there are.
	Nodes int `json:"nodes"`
	// Over are the limits that the task would exceed wherever it went, its own role's before those of the roles above, of one role
	// in the order of resources. Where they are all that kept it from a node there are neither counts nor a nearest one.
	Over []berth.Lack `json:"over,omitempty"`
	// Counts are the reasons, the most frequent first.
	Counts []ReasonCount `json:"counts,omitempty"`
	// Nearest is the node that came closest, nil if there is no node.
	Nearest *NearMiss `json:"nearest,omitempty"`
	// Order is [berth.HeldBack] where an order of roles may be why there was no room: a task of the role that it names, handed in later,
	// was placed first; or where room is kept for the daemon that it names ("daemon agent"), instances of which wait for more on their nodes, or for the
	// task ("task web-1") that is the first of its role. Else it is the zero Reason.
	Order berth.Reason `json:"order,omitzero"`
	// Mode is that of the task's group.
	Mode berth.Mode `json:"mode"`
	// Missing is, of a gang, how many of its tasks have no place yet, up to its size: a place for one helps only
	// where it is the last. It is 0 for other groups and for a gang that is complete.
	Missing int `json:"missing,omitempty"`
}

// Helps says what would have let the task be placed, where a change on the nearest node would: all that the node
// lacks, as far as it can be had there. It is empty where that would not be enough, as for a gang of which more than one
// task has no place.
func (e *Explanation) Helps() string {
	if e == nil || e.Missing > 1 {
		return ""
	}
	var changes, room []string
	for _, l := range e.Over {
		changes = append(changes, raised(l))
	}
	var node string
	var lacks []berth.Lack
	if e.Nearest != nil {
		node, lacks = e.Nearest.Node, e.Nearest.Lacks
	}
	if len(changes)+len(lacks) == 0 {
		return ""
	}
	if len(lacks) == 1 && (lacks[0].Reason.Code == berth.DomainFull || lacks[0].Reason.Code == berth.KeptApart) && e.Mode != berth.Daemon { // a daemon's instance is of its node
		return list(append(changes, "a node in another domain of "+lacks[0].Reason.Subject)) + " would do"
	}
	for _, l := range lacks {
		subject := l.Reason.Subject
		switch l.Reason.Code {
		case berth.Insufficient, berth.TooSmall, berth.UnitsTaken:
			room = append(room, l.Amount()+" more "+subject)
		case berth.DeviceTaken:
			room = append(room, "room for "+subject)
		case berth.NoDevice:
			if l.Short > 0 { // the node has some, so another number of them would do than is asked for
				_, what, _ := strings.Cut(subject, " ")
				subject = l.Amount() + " more " + what
			}
			room = append(room, subject)
		case berth.Tainted:
			changes = append(changes, "tolerating "+subject)
		case berth.OverLimit:
			changes = append(changes, raised(l))
		case berth.Unschedulable:
			changes = append(changes, "making "+node+" schedulable")
		case berth.Cordoned:
			changes = append(changes, "uncordoning "+node)
		default:
			return ""
		}
	}
	if len(room) > 0 {
		changes = append(changes, list(room)+" on "+node)
	}
	return list(changes) + " would do"
}

// raised says that a limit that is exceeded would have to be higher.
func raised(l berth.Lack) string {
	return "raising the limit " + l.Reason.Subject + " by " + l.Amount()
}

// list joins words as people do: "a", "a and b", "a, b and c".
func list(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// Explain says why no node can take a task of the group now; for a group that some node can take it
// tells the same of the other nodes. It looks at every node.
func (f *Fork) Explain(g *berth.Group) *Explanation {
	on := f.checked().Ready()
	e := &Explanation{Nodes: on.Store().Nodes(), Mode: g.Mode()}
	if err := g.Err(); err != nil {
		e.Counts = []ReasonCount{{Reason: berth.Reason{Code: berth.Invalid, Subject: err.Error()}, Nodes: e.Nodes}}
		return e
	}
	e.Missing = checked.Missing(f.view(), g, 0)
	if e.Nodes > 0 {
		e.Over = fit.LacksOf(on.Excesses(g))
	}
	counts := map[berth.Reason]int{}
	var nearest explain.Miss
	at, found := uint32(0), false
	for c := range on.Checks(g) {
		for _, l := range c.Lacks {
			counts[l.Reason]++
		}
		if len(c.Lacks) == 0 {
			if len(e.Over) > 0 { // it would be placed here
				return &Explanation{Nodes: e.Nodes, Over: e.Over, Mode: e.Mode, Missing: e.Missing}
			}
			continue
		}
		if !found || c.Miss.Compare(nearest) < 0 {
			at, nearest, found = c.Row, c.Miss, true
		}
	}
	if found {
		e.Nearest = &NearMiss{Node: on.Store().Node(at).Node.ID, Lacks: on.Told(g, at)}
	}
	for r, n := range counts {
		e.Counts = append(e.Counts, ReasonCount{Reason: r, Nodes: n})
	}
	slices.SortFunc(e.Counts, ReasonCount.compare)
	return e
}

// NearMiss is the node that came closest to taking a task: the one with the fewest reasons that more
// room would not cure, then the least shortfall relative to the request, then the lowest ID.
type NearMiss struct {
	Node  string       `json:"node"`
	Lacks []berth.Lack `json:"lacks,omitempty"`
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
	for i, x := range e.Over {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(x.String())
	}
	for i, c := range e.Counts {
		if i+len(e.Over) > 0 {
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
	if e.Order.Code != berth.None {
		b.WriteString("; " + e.Order.String())
	}
	if helps := e.Helps(); helps != "" {
		b.WriteString("; " + helps)
	}
	return b.String()
}
