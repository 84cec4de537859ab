package placement

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// targets is what part of the tasks each value of an attribute is to have.
type targets struct {
	named  []lex.Part // in the order of values
	others int64      // percent that all other values have together
	said   bool       // whether that was said, and is not what the others leave
}

const (
	// perTarget is in what unit a number of tasks over a percentage is told. Two such fractions that differ do so by 1/10,000 at least, for no
	// percentage is more than 100, so whole numbers of the unit tell them apart.
	perTarget = 10_000
	// farFromTarget is said of domains that are to have nothing.
	farFromTarget = -(MostTasks + 2) * perTarget
)

// Targets prefers the domain that has the fewest of the group's tasks in proportion to what it is to have, the new one included: with 80 %
// for one data centre and 20 % for another, of ten tasks eight go to the first, and they come in such an order that at any time both are as near
// to their parts as they can be. Values that are not named share what the percentages leave of 100, or what [Term.Others] says,
// and count as one domain. A value that is to have nothing, and a node without the attribute, comes after all others. The percentages must
// not make more than 100 together. It is for attributes of domains, not for [berth.NodeID].
//
// What it says is how many tasks there would be in all if the domain had just its part, times -100: -100 x (tasks + 1) x 100 / percent.
// So it does not depend on how many are wanted. It is the spread of Nomad with targets, whose score for n tasks wanted is 1 +
// Targets / (100 n): of one spread the order is the same.
func Targets(attribute string, percent map[any]int) Term {
	t := newTerm(tasksTerm, "")
	t.attributes, t.missing = []string{attribute}, MostTasks
	t.targets = new(targets)
	t.lo, t.hi = farFromTarget, 0
	parts, rest, bad := lex.Parts(percent)
	t.targets.named, t.targets.others = parts, int64(rest)
	t = t.nameTargets()
	switch {
	case attribute == "":
		t = t.fault("no attribute")
	case attribute == berth.NodeID:
		t.attributes[0] = ""
		t = t.fault("nodes are no domains to share tasks out to")
	}
	for _, fault := range bad {
		t = t.fault("%s", fault)
	}
	return t
}

// Others returns the Targets term with another percentage, from 0 to 100, for all values together that are not named.
func (t Term) Others(percent int) Term {
	if t.targets == nil {
		return t.fault("others: only Targets has it")
	}
	own := *t.targets
	own.others, own.said = int64(percent), true
	t.targets = &own
	if t = t.nameTargets(); percent < 0 || percent > 100 {
		return t.fault("percentage %d is not from 0 to 100", percent)
	}
	return t
}

// nameTargets gives the term the name that it prints as.
func (t Term) nameTargets() Term {
	var b strings.Builder
	b.WriteString("targets(" + lex.PrintName(t.attributes[0]))
	for _, n := range t.targets.named {
		fmt.Fprintf(&b, ", %s %d%%", lex.PrintValue(n.Value), n.Percent)
	}
	if t.targets.said {
		fmt.Fprintf(&b, ", others %d%%", t.targets.others)
	}
	t.name = b.String() + ")"
	return t
}

// of returns the percentage of a value, and whether it is named.
func (t *targets) of(v berth.Value) (percent int64, named bool) {
	i, named := slices.BinarySearchFunc(t.named, v, func(n lex.Part, v berth.Value) int { return n.Value.Compare(v) })
	if !named {
		return t.others, false
	}
	return int64(t.named[i].Percent), true
}

// rateTarget rates one task more in a domain that has so many and is to have a percentage of all.
func rateTarget(tasks int, percent int64) int64 {
	if percent <= 0 {
		return farFromTarget
	}
	return max(farFromTarget, -(int64(min(max(tasks, 0), MostTasks))+1)*perTarget/percent)
}

// targets reads what comes after the word.
func (p *parser) targets() (Term, error) {
	if err := p.want('('); err != nil {
		return Term{}, err
	}
	name, _, err := p.name()
	if err != nil {
		return Term{}, err
	}
	percents, others, said := map[any]int{}, 0, false
	for p.at(',') {
		if said {
			return Term{}, p.FaultAt(p.Pos, "others come last")
		}
		if said = p.says("others"); said {
			others, err = p.percent()
		} else {
			err = p.target(percents)
		}
		if err != nil {
			return Term{}, err
		}
	}
	t := Targets(name, percents)
	if said {
		t = t.Others(others)
	}
	return t, p.want(')')
}

// target reads a value and its percentage.
func (p *parser) target(percents map[any]int) error {
	p.Space()
	start := p.Pos
	var value any
	if p.Peek() == '"' {
		text, err := p.Quoted()
		if err != nil {
			return err
		}
		value = text
	} else {
		p.While(func(c byte) bool { return lex.IsDigit(c) || lex.IsSign(c) || c == '.' || c == 'e' || c == 'E' })
		f, err := strconv.ParseFloat(p.Text[start:p.Pos], 64)
		if err != nil {
			return p.FaultAt(start, "want a text in quotes, a number or others")
		}
		value = f
	}
	if _, twice := percents[value]; twice {
		return p.FaultAt(start, "value %v is given twice", value)
	}
	percent, err := p.percent()
	percents[value] = percent
	return err
}

func (p *parser) percent() (int, error) {
	p.Space()
	start := p.Pos
	n, err := p.integer()
	if err != nil {
		return 0, err
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return 0, p.FaultAt(start, "percentage %d is not from 0 to 100", n)
	}
	return int(n), p.want('%')
}
