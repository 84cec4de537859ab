package constraints

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

// How texts of rules that count tasks are read.

func (p *parser) maxPer() (berth.Constraint, error) {
	name, err := p.subject()
	if err != nil {
		return nil, err
	}
	n, err := p.integer()
	if err != nil {
		return nil, err
	}
	rule := MaxPer(name, n)
	if p.Peek() == '%' {
		p.Pos++
		if rule, err = p.percentage(name, n); err != nil {
			return nil, err
		}
	}
	err = p.options(p.counting(&rule.counting, false))
	return rule, err
}

// percentage reads what comes after a percentage: of how many tasks, or nothing for those that there are.
func (p *parser) percentage(name string, percent int) (Cap, error) {
	if p.Space(); p.Peek() == ',' || p.Peek() == ')' {
		return MaxShare(name, percent), nil
	}
	if at := p.Pos; p.Word() != "of" {
		return Cap{}, p.FaultAt(at, `want "of", a comma or ")"`)
	}
	p.Space()
	wanted, err := p.integer()
	return MaxPercent(name, percent, wanted), err
}

func (p *parser) unique() (berth.Constraint, error) {
	name, err := p.Name()
	if err != nil {
		return nil, err
	}
	rule := Unique(name)
	err = p.options(p.counting(&rule.counting, false))
	return rule, err
}

func pairOf(pair func(string, berth.Selector) Pair) func(*parser) (berth.Constraint, error) {
	return func(p *parser) (berth.Constraint, error) {
		name, err := p.subject()
		if err != nil {
			return nil, err
		}
		tasks, err := p.selector()
		if err != nil {
			return nil, err
		}
		rule := pair(name, tasks)
		options := map[string]func() error{"without": p.stopping(&rule.counting)}
		if rule.counting.Relation == berth.Colocate {
			options["domains"] = func() error {
				n, err := p.integer()
				rule = rule.Domains(n)
				return err
			}
		}
		err = p.options(options)
		return rule, err
	}
}

// options reads what may come after the arguments of a rule, each once and after a comma, by its first word.
func (p *parser) options(read map[string]func() error) error {
	said := map[string]bool{}
	for p.Space(); p.Peek() == ','; p.Space() {
		p.Pos++
		p.Space()
		at := p.Pos
		option := p.Word()
		if read[option] == nil || said[option] {
			return p.FaultAt(at, "want one of %s, once", strings.Join(slices.Sorted(maps.Keys(read)), ", "))
		}
		said[option] = true
		p.Space()
		if err := read[option](); err != nil {
			return err
		}
	}
	return nil
}

// counting returns how to read what rules say of whom they count.
func (p *parser) counting(c *berth.Counting, compares bool) map[string]func() error {
	options := map[string]func() error{
		"of": func() (err error) {
			at := p.Pos
			if c.Of, err = p.selector(); err == nil && c.Of.IsOwn() {
				err = p.FaultAt(at, "a rule is of the group's own tasks if it does not say")
			}
			return err
		},
		"without": p.stopping(c),
	}
	if compares {
		options["over"] = func() error {
			at := p.Pos
			switch word := p.Word(); word {
			case cordonedToo:
				c.CordonedToo = true
			case excludedToo:
				c.ExcludedToo = true
			case allNodes:
				c.CordonedToo, c.ExcludedToo = true, true
			default:
				return p.FaultAt(at, "want %s, %s or %s", cordonedToo, excludedToo, allNodes)
			}
			return nil
		}
	}
	return options
}

func (p *parser) stopping(c *berth.Counting) func() error {
	return func() error {
		if at := p.Pos; p.Word() != "stopping" {
			return p.FaultAt(at, `want "stopping"`)
		}
		c.WithoutStopping = true
		return nil
	}
}

// selector reads a selector, up to a comma or parenthesis that is not its own.
func (p *parser) selector() (berth.Selector, error) {
	start := p.Pos
	for p.Pos < len(p.Text) && p.Peek() != ',' && p.Peek() != ')' {
		switch p.Peek() {
		case '"':
			if _, err := p.Quoted(); err != nil {
				return berth.Selector{}, err
			}
		case '(':
			if err := p.SkipPair(); err != nil {
				return berth.Selector{}, err
			}
		default:
			p.Pos++
		}
	}
	s, err := berth.ParseSelector(p.Text[start:p.Pos])
	var fault *berth.SyntaxError
	if errors.As(err, &fault) {
		return s, p.FaultAt(start+fault.Offset, "%w", fault.Err)
	}
	return s, err
}

func (p *parser) groupBy() (berth.Constraint, error) {
	name, err := p.Name()
	if err != nil {
		return nil, err
	}
	rule := GroupBy(name)
	options := p.counting(&rule.counting, true)
	options["skew"] = func() (err error) {
		rule.skew, err = p.integer()
		return err
	}
	options["min-domains"] = func() (err error) {
		rule.minDomains, err = p.integer()
		return err
	}
	err = p.options(options)
	return rule, err
}
