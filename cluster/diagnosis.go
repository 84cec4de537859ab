package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/fields"
	"github.com/berth-sched/berth/internal/fit"
)

// Diagnosis is what keeps a task off each node of a cluster. Where an [Explanation] counts a node under each reason it fails
// by, here it is counted once, with those that fail by the same reasons: so one reads how many lack cpu alone, and how
// many have room and are refused by a rule. In JSON it has names and words as an [Explanation] does, and is read back as it was.
type Diagnosis struct {
	Group string `json:"group"`
	// Nodes is how many nodes there are, and Fit how many of them can take a task as far as they go. With those of Failing they add up.
	Nodes int `json:"nodes"`
	Fit   int `json:"fit"`
	// Over are the limits of roles that the task would exceed wherever it went.
	Over []berth.Lack `json:"over,omitempty"`
	// Missing is, of a gang, how many of its tasks have no place yet.
	Missing int `json:"missing,omitempty"`
	// Failing are the nodes that cannot take a task, by all that they fail by: those that are most first.
	Failing []Failing `json:"failing,omitempty"`
}

// Failing is the nodes that cannot take a task for the same reasons.
type Failing struct {
	// Reasons are in the order of their codes.
	Reasons []berth.Reason `json:"reasons"`
	Nodes   int            `json:"nodes"`
	// Nearest is the one of the nodes that came closest, with details.
	Nearest NearMiss `json:"nearest"`
	// Helps says what would let the task be placed there, all of it together; it is empty where that is not known, or not enough.
	Helps string `json:"helps,omitempty"`
}

// Diagnose says of every node why it cannot take a task of the group now. Of a group with faults, and of no group, all nodes fail by
// them. It costs a check of every node, some microseconds for each, so it is for the one task that somebody asks about.
func (f *Fork) Diagnose(g *berth.Group) *Diagnosis {
	d := &Diagnosis{Group: g.Name(), Nodes: f.Len()}
	if err := g.Err(); err != nil {
		if d.Nodes > 0 {
			d.Failing = []Failing{{Reasons: []berth.Reason{{Code: berth.Invalid, Subject: err.Error()}}, Nodes: d.Nodes}}
		}
		return d
	}
	type failing struct {
		Failing
		row  uint32
		miss explain.Miss
	}
	on, all := f.checked(), map[string]*failing{}
	d.Over, d.Missing = fit.LacksOf(on.Excesses(g)), checked.Missing(f.view(), g, 0)
	var key []byte
	for c := range on.Checks(g) {
		if len(c.Lacks) == 0 {
			d.Fit++
			continue
		}
		slices.SortStableFunc(c.Lacks, func(a, b berth.Lack) int { return compareReasons(a.Reason, b.Reason) })
		key = key[:0]
		for _, l := range c.Lacks {
			key = fmt.Appendf(key, "%d %q", l.Reason.Code, l.Reason.Subject)
		}
		of := all[string(key)]
		if of == nil {
			of = &failing{row: c.Row, miss: c.Miss}
			for _, l := range c.Lacks {
				of.Reasons = append(of.Reasons, l.Reason)
			}
			all[string(key)] = of
		} else if c.Miss.Compare(of.miss) < 0 {
			of.row, of.miss = c.Row, c.Miss
		}
		of.Nodes++
	}
	for _, of := range all { // whose order does not matter, for they are sorted
		of.Nearest = NearMiss{Node: on.Store().Node(of.row).Node.ID, Lacks: on.Told(g, of.row)}
		of.Helps = (&Explanation{Nodes: d.Nodes, Over: d.Over, Nearest: &of.Nearest, Mode: g.Mode(), Missing: d.Missing}).Helps()
		d.Failing = append(d.Failing, of.Failing)
	}
	slices.SortFunc(d.Failing, func(a, b Failing) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(len(a.Reasons), len(b.Reasons)), slices.CompareFunc(a.Reasons, b.Reasons, compareReasons))
	})
	return d
}

func compareReasons(a, b berth.Reason) int {
	return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Subject, b.Subject))
}

// Resolvable reports whether ending tasks may let such a node take the task: whether all of its reasons are [berth.Code.Resolvable].
func (f Failing) Resolvable() bool {
	return !slices.ContainsFunc(f.Reasons, func(r berth.Reason) bool { return !r.Code.Resolvable() })
}

// String prints "3 insufficient cpu and unique(zone); nearest n4: lacks 0.5 cpu, unique(zone)".
func (f Failing) String() string {
	words := make([]string, len(f.Reasons))
	for i, r := range f.Reasons {
		words[i] = r.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", f.Nodes, strings.Join(words, " and "))
	if f.Nearest.Node != "" {
		words = words[:0]
		for _, l := range f.Nearest.Lacks {
			words = append(words, l.String())
		}
		fmt.Fprintf(&b, "; nearest %s: %s", f.Nearest.Node, strings.Join(words, ", "))
	}
	if f.Helps != "" {
		b.WriteString("; " + f.Helps)
	}
	return b.String()
}

// Resolvable returns how many of the nodes that cannot take the task may do so once tasks are ended.
func (d *Diagnosis) Resolvable() (nodes int) {
	if d == nil {
		return 0
	}
	for _, f := range d.Failing {
		if f.Resolvable() {
			nodes += f.Nodes
		}
	}
	return nodes
}

// String prints a line that counts the nodes that can take the task, one for each limit that is exceeded, one for each set of reasons,
// and one that says on how many nodes ending tasks may help; nothing for no diagnosis.
func (d *Diagnosis) String() string {
	if d == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d nodes can take a task of %s\n", d.Fit, d.Nodes, d.Group)
	for _, x := range d.Over {
		fmt.Fprintf(&b, "  %v\n", x)
	}
	if d.Missing > 0 {
		fmt.Fprintf(&b, "  %d tasks of the gang have no place yet\n", d.Missing)
	}
	for _, f := range d.Failing {
		fmt.Fprintf(&b, "  %v\n", f)
	}
	if len(d.Failing) > 0 {
		fmt.Fprintf(&b, "  ending tasks may help on %d nodes\n", d.Resolvable())
	}
	return b.String()
}

// UnmarshalJSON reads what was written of a diagnosis. It fails, and leaves d as it is, for anything else.
func (d *Diagnosis) UnmarshalJSON(data []byte) error {
	type plain Diagnosis // without this method
	return fields.Read("diagnosis", data, (*plain)(d), "nodes")
}
