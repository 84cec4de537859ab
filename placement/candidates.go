package placement

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/fit"
)

// Ask says which nodes [Picker.Candidates] is asked about, and how much it is to tell. The zero value asks for all nodes
// that can take the task.
type Ask struct {
	// Among names the only nodes that are asked about, each once however often it is named. Nil is all nodes; a list without
	// elements is none.
	Among []string
	// Top is how many of the best are wanted. 0 is all; fewer cost less.
	Top int
	// Gone names tasks, and GoneHolds holds, that are counted as gone: what they take is free, and rules do not count them.
	// One that does not exist is gone already.
	Gone, GoneHolds []string
	// Misfits asks for the nodes that cannot take the task as well, each with all that it lacks.
	Misfits bool
	// Details asks, of misfits, for what [cluster.Fork.Lacks] says in Detail too: which tasks are in the way and the like.
	// That costs microseconds for each node, and more where many tasks of the group are in the way.
	Details bool
	// Into is an earlier answer that is no longer needed, to answer in the room of: what was there is overwritten. A call
	// that is given one allocates little, however many nodes there are. Where it answered the same question about all nodes for the
	// same *berth.Group, and little has changed since, an Engine asks about the nodes that have changed alone: that costs
	// a microsecond for each, however many nodes there are. It does so for groups without rules about the tasks of others or about
	// domains, under strategies whose order of the nodes follows from the nodes. Nil is a new one.
	Into *Choices
}

// Err returns what is wrong with the question, or nil.
func (a Ask) Err() error {
	if a.Top < 0 {
		return fmt.Errorf("placement: ask: top: %d is negative", a.Top)
	}
	return nil
}

// Choices are the nodes that can take a task, the best first, and if asked for those that cannot. They are their
// receiver's, and change no more unless given in [Ask.Into]. They may be read by any number of goroutines.
type Choices struct {
	// Version says which state they are of: for a plan that places on one of them.
	Version cluster.Version
	// Asked is the number of nodes that were asked about, those that were named and do not exist included.
	Asked int
	// Fit is the number of nodes that can take the task. [Ask.Top] may let fewer be told.
	Fit int
	// Reason is what keeps the task off every node, whatever the nodes have: that it exists already, that the source denies
	// it, or that a limit of its role is reached, with what is gone given back. No node is looked at then.
	Reason berth.Reason
	// Over has all limits that are reached where Reason is the first of them.
	Over []berth.Lack
	// Misfits are the nodes that cannot take the task, in the order of their IDs.
	Misfits []Misfit

	ranks            // of what fits
	nodes  []string  // their IDs, by place
	values [][]int64 // by term and place: what the terms say, unless the policy is plain
	policy *policy
	lacks  []berth.Lack // of misfits
	kept   *kept        // nil if it cannot be brought up to date
	spare  *kept        // one that was, for its room
}

// Len returns the number of nodes that are told.
func (c *Choices) Len() int {
	if c == nil {
		return 0
	}
	return len(c.order)
}

// At returns the ith of them, from 0; the zero Choice if there is none.
func (c *Choices) At(i int) Choice {
	if i < 0 || i >= c.Len() {
		return Choice{}
	}
	return Choice{Rank: i + 1, Node: c.nodes[c.order[i]], of: c, place: c.order[i]}
}

// All yields the nodes that can take the task, the best first.
func (c *Choices) All() iter.Seq[Choice] {
	return func(yield func(Choice) bool) {
		for i := range c.Len() {
			if !yield(c.At(i)) {
				return
			}
		}
	}
}

// Choice is a node that can take the task. It is a small handle, to be passed by value, and is good as long as the
// Choices that it came from.
type Choice struct {
	Rank int // from 1, which is the node that a plan picks unless its strategy draws nodes; 0 of none
	Node string

	of    *Choices
	place uint32
}

// Sum returns the sum of a tier, by which nodes are compared before the tiers that follow; the preferences of the group are
// the first tier, unless the strategy gives them another place. It is 0 where there is no such tier.
func (c Choice) Sum(tier int) int64 {
	if c.of == nil || tier < 0 || tier >= len(c.of.sums) {
		return 0
	}
	return c.of.sums[tier][c.place]
}

// Score returns how the strategy rates the node for the task, term by term. It is made anew by each call.
func (c Choice) Score() Score {
	if c.of == nil {
		return nil
	}
	p := c.of.policy
	score, at := make(Score, len(p.tiers)), 0
	for i := range p.tiers {
		score[i].Sum = c.Sum(i)
		for j := range p.tiers[i].terms {
			t := &p.tiers[i].terms[j]
			said := TermScore{Term: t.name, Weight: t.weight}
			if p.plain {
				said.Value = score[i].Sum / t.weight
			} else {
				said.Value = c.of.values[at][c.place]
			}
			at++
			score[i].Terms = append(score[i].Terms, said)
		}
	}
	return score
}

// String prints "1. n3: 0 = preferences 0; 524288 = in-use() 524288".
func (c Choice) String() string {
	if c.of == nil {
		return "no node"
	}
	return fmt.Sprintf("%d. %s: %v", c.Rank, c.Node, c.Score())
}

// Misfit is a node that cannot take the task, and all that it lacks: what [cluster.Fork.Lacks] says, without Detail
// unless [Ask.Details] asks for it. A named node that does not exist lacks [berth.UnknownNode]. Lists of
// equal nodes may be one, so they are not to be written to.
type Misfit struct {
	Node  string       `json:"node"`
	Lacks []berth.Lack `json:"lacks"`
}

// String prints "n4: lacks 0.5 cpu, unique(zone)".
func (m Misfit) String() string {
	parts := make([]string, len(m.Lacks))
	for i, l := range m.Lacks {
		parts[i] = l.String()
	}
	return m.Node + ": " + strings.Join(parts, ", ")
}

// begin returns the answer to be filled in, in the room that the question offers.
func (a Ask) begin(of cluster.Version, p *policy) *Choices {
	out := a.Into
	if out == nil {
		out = new(Choices)
	}
	if out.kept != nil {
		out.kept, out.spare = nil, out.kept
	}
	out.Version, out.Asked, out.Fit, out.Reason, out.Over = of, 0, 0, berth.Reason{}, nil
	clear(out.Misfits)
	out.Misfits = out.Misfits[:0]
	clear(out.lacks)
	out.policy, out.lacks = p, out.lacks[:0]
	out.ranks.reset(len(p.tiers))
	clear(out.nodes)
	out.nodes = out.nodes[:0]
	for i := range out.values {
		out.values[i] = out.values[i][:0]
	}
	return out
}

// exceeds notes the limits that keep the task off every node, and returns the first.
func (c *Choices) exceeds(over []fit.Excess) berth.Reason {
	if c.Over = fit.LacksOf(over); len(over) == 0 {
		return berth.Reason{}
	}
	return c.Over[0].Reason
}

// add adds a node that fits, with the sums of its tiers, and a number to be ordered by among equals.
func (c *Choices) add(node string, tie uint32, sums []int64) {
	c.nodes, c.ties = append(c.nodes, node), append(c.ties, tie)
	for i, sum := range sums {
		c.sums[i] = append(c.sums[i], sum)
	}
}

// extend makes room for so many nodes, whose parts the caller sets.
func (c *Choices) extend(n int) {
	c.nodes, c.ties = slices.Grow(c.nodes[:0], n)[:n], slices.Grow(c.ties[:0], n)[:n]
	for i, sums := range c.sums {
		c.sums[i] = slices.Grow(sums[:0], n)[:n]
	}
}

// addValues adds what each term says of the node that was just added.
func (c *Choices) addValues(values []int64) {
	for len(c.values) < len(values) {
		c.values = append(c.values, nil)
	}
	for i, v := range values {
		c.values[i] = append(c.values[i], v)
	}
}

// ofNode returns the node that a daemon's instance is of, which is the only one to ask about. An ID with an "@" that
// is none of an instance is of no node.
func ofNode(t berth.Task) (node string, only bool) {
	if t.Group.Mode() != berth.Daemon || !strings.Contains(t.ID, "@") {
		return "", false
	}
	node, is := strings.CutPrefix(t.ID, t.Group.On("").ID)
	if !is {
		return "", true
	}
	return node, true
}

// namedIn returns the IDs that a question is about, each once and in order, or all if it is about all nodes.
func (a Ask) namedIn(t berth.Task) (ids []string, all bool) {
	node, only := ofNode(t)
	switch {
	case a.Among == nil && !only:
		return nil, true
	case a.Among == nil:
		return []string{node}, false
	}
	ids = slices.Clone(a.Among)
	if only {
		ids = slices.DeleteFunc(ids, func(id string) bool { return id != node })
	}
	slices.Sort(ids)
	return slices.Compact(ids), false
}

// invalid says what is wrong with a task that no picker takes.
func invalid(t berth.Task) berth.Reason {
	if err := t.Err(); err != nil {
		return berth.Reason{Code: berth.Invalid, Subject: err.Error()}
	}
	return berth.Reason{}
}

func unknownNode(id string) Misfit {
	return Misfit{Node: id, Lacks: []berth.Lack{{Reason: berth.Reason{Code: berth.UnknownNode, Subject: id}}}}
}

// withoutDetails takes the details out of what a node lacks, which is the caller's.
func withoutDetails(lacks []berth.Lack) []berth.Lack {
	for i := range lacks {
		lacks[i].Detail = ""
	}
	return lacks
}
