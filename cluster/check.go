package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
)

// Check is one thing that a node is asked before a task of a group goes there, and what came out: what [Fork.Check] returns is a tree of
// all of it. Written as JSON it has words for codes.
type Check struct {
	// What is asked for: a rule, an amount of a resource, devices, ports or a limit of a role, as they print. At the root of the tree it names the group and the node.
	What  string `json:"what"`
	Holds bool   `json:"holds"`
	// Code is the kind of reason where it is one why the node cannot take the task: not within a rule that is made of others.
	Code berth.Code `json:"code,omitempty"`
	// Why says what the node has instead, or what stands in the way, as far as there is anything to say.
	Why string `json:"why,omitempty"`
	// Parts are what it is made of, all of them asked: where one decides, the others are told too.
	Parts []Check `json:"parts,omitempty"`
}

// Composite is a rule about nodes that is made of others, as those of package constraints are: its operator, such as "and", and its
// parts.
type Composite interface {
	berth.NodeRule
	Parts() (operator string, parts []berth.NodeRule)
}

// Check asks a node everything that decides whether a task of the group can be placed there now, what holds too, and rules that are made
// of others part by part. The node is one of this fork:
//
//	n1, _ := fork.Node("n1")
//	fmt.Print(fork.Check(group, n1))
//
// It costs what [Fork.Lacks] does, and the parts of rules. Where the group has a fault, that is all it says. A node of another fork, or of the
// snapshot from which this one was made, is unknown to it, and it says no more than that.
func (f *Fork) Check(g *berth.Group, n NodeView) Check {
	lacks := f.Lacks(g, n)
	c := Check{What: fmt.Sprintf("%s on %s", g.Name(), n.ID()), Holds: len(lacks) == 0}
	if _, has := f.row(n); !has || g.Err() != nil {
		for _, l := range lacks {
			c.Parts = append(c.Parts, failed(l))
		}
		return c
	}
	node, r := n.Node(), g.Requirements()
	// ask adds what is asked for: it fails by the reason about it that is among those of the node, of one of some kinds.
	ask := func(what, subject string, parts []Check, kinds ...berth.Code) {
		at := slices.IndexFunc(lacks, func(l berth.Lack) bool {
			return l.Reason.Subject == subject && slices.Contains(kinds, l.Reason.Code)
		})
		if at < 0 {
			c.Parts = append(c.Parts, Check{What: what, Holds: true, Parts: parts})
			return
		}
		no := failed(lacks[at])
		no.What, no.Parts = what, parts
		c.Parts = append(c.Parts, no)
		lacks = slices.Delete(lacks, at, at+1)
	}
	ask("not cordoned", "", nil, berth.Cordoned)
	ask("schedulable", "", nil, berth.Unschedulable)
	for _, t := range node.Taints {
		if t.Effect != berth.PreferNoSchedule {
			ask(fmt.Sprintf("tolerates %v", t), t.String(), nil, berth.Tainted)
		}
	}
	for _, rule := range r.NodeRules {
		_, parts := checkRule(rule, &node, 0)
		ask(rule.String(), rule.String(), parts, berth.RuleBroken)
	}
	for _, rule := range r.DomainRules {
		ask(rule.String(), rule.String(), nil, berth.NoDomain, berth.DomainFull)
	}
	for i := range r.Counted {
		text := r.Counted[i].Text
		ask(text, text, nil, berth.NoDomain, berth.DomainFull, berth.NoneNear)
	}
	for _, need := range r.Needs {
		if need.Class == "" {
			ask(berth.FormatQuantity(need.Name, need.Amount)+" "+need.Name, need.Name, nil, berth.Insufficient, berth.TooSmall, berth.ByDevice)
		}
	}
	for i := range r.Devices {
		ask(r.Devices[i].String(), r.Devices[i].String(), nil, berth.NoDevice, berth.DeviceUnhealthy, berth.DeviceTaken)
	}
	for _, p := range r.Ports {
		ask("port "+p.String(), p.String(), nil, berth.NoPort, berth.PortTaken)
	}
	if r.DynamicPorts > 0 {
		dynamic := fmt.Sprintf("%d of any number", r.DynamicPorts)
		ask("ports: "+dynamic, dynamic, nil, berth.NoPort, berth.PortTaken)
	}
	for _, l := range lacks { // what others keep the task off by, and limits of roles
		c.Parts = append(c.Parts, failed(l))
	}
	return c
}

// failed returns what a lack says as a check that did not hold.
func failed(l berth.Lack) Check {
	c := Check{What: l.Reason.String(), Code: l.Reason.Code, Why: l.Detail}
	switch c.Code {
	case berth.Insufficient, berth.TooSmall, berth.UnitsTaken:
		c.Why = l.String() // by how much
	}
	return c
}

// deepestRule is how far down rules that are made of others are told of: one of a host's could be made of itself.
const deepestRule = 100

// checkRule asks a rule and, of one that is made of others, all of them.
func checkRule(rule berth.NodeRule, n *berth.Node, depth int) (Check, []Check) {
	if faults.IsNil(rule) {
		return Check{What: "a rule that is not there"}, nil
	}
	c := Check{What: rule.String(), Holds: rule.Allows(n)}
	if made, ok := rule.(Composite); ok && depth < deepestRule {
		_, parts := made.Parts()
		for _, part := range parts {
			of, _ := checkRule(part, n, depth+1)
			c.Parts = append(c.Parts, of)
		}
	} else if !c.Holds {
		c.Why = rule.Why(n)
	}
	return c, c.Parts
}

// String prints the tree, a line for each check and those it is made of below it, further in: "yes" or "no", what is asked for and why not.
func (c Check) String() string {
	var b strings.Builder
	c.write(&b, 0)
	return b.String()
}

func (c Check) write(b *strings.Builder, depth int) {
	verdict := "no "
	if c.Holds {
		verdict = "yes"
	}
	fmt.Fprintf(b, "%s%s %s", strings.Repeat("  ", depth), verdict, c.What)
	if c.Why != "" {
		b.WriteString(": " + c.Why)
	}
	b.WriteByte('\n')
	for _, part := range c.Parts {
		part.write(b, depth+1)
	}
}
