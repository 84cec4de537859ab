package constraints

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// Shares is a berth.DomainRule whose limit goes by the value of the domain: to each value its part of the tasks that are wanted. Shares
// compare with ==.
type Shares struct {
	attribute string
	wanted    int
	percents  string // a line for each value that is named, in the order of values: its literal, a space and the percentage
	others    int    // the percentage of each other value
	said      bool   // whether Others said that
	counting  berth.Counting
	found     faults
}

// Targets allows on the nodes with one value of the attribute at most a percentage, from 0 to 100, of the tasks that are wanted, of the
// group unless Of says whose: that of the value, or, of a value that is not named, what the percentages leave of 100. Limits are rounded up, so that
// percentages which make 100 leave room for all. The percentages of the values must not make more. Nodes without the attribute are refused.
//
// It is the hard form of the spread of Nomad with targets. By degrees it is the term Targets of package placement; as a
// preference it keeps to the targets as long as there is room, and goes beyond them then.
func Targets(attribute string, wanted int, percent map[any]int) Shares {
	s := Shares{attribute: attribute, wanted: wanted, counting: berth.Counting{ByValue: true}}
	parts, rest, bad := lex.Parts(percent)
	s.found.add(bad...)
	var b strings.Builder
	for _, part := range parts {
		fmt.Fprintf(&b, "\n%s %d", lex.PrintValue(part.Value), part.Percent)
	}
	s.percents, s.others = b.String()+"\n", rest
	return s
}

// Others returns the rule with a percentage, from 0 to 100, for each value that is not named; by default it is what the others leave of 100.
func (s Shares) Others(percent int) Shares {
	s.others, s.said = percent, true
	return s
}

// Of returns the rule for the tasks that a selector chooses, of whatever groups they are. Where the group's own tasks are not among
// them, the rule keeps the group's tasks out of domains that have more.
func (s Shares) Of(tasks berth.Selector) Shares {
	s.counting.Of = tasks
	return s
}

// WithoutStopping returns the rule with tasks that are stopping counted no more. By default they count until they are gone.
func (s Shares) WithoutStopping() Shares {
	s.counting.WithoutStopping = true
	return s
}

// Counts returns whose tasks the rule counts.
func (s Shares) Counts() berth.Counting { return s.counting }

// Domain returns the attribute.
func (s Shares) Domain() string { return s.attribute }

// Limit returns the part of the wanted tasks that the value of the domain has; a rule with a fault lets no task in.
func (s Shares) Limit(d berth.Domains) int {
	if s.faults() != "" {
		return 0
	}
	percent := s.percentOf(d.Value)
	return s.wanted/100*percent + (s.wanted%100*percent+99)/100
}

// percentOf returns the percentage of a value: the lines are in the order of values, so it looks at few of them, however many there are.
func (s Shares) percentOf(v berth.Value) int {
	lines := s.percents[1:]
	for lines != "" {
		start := strings.LastIndexByte(lines[:len(lines)/2], '\n') + 1
		end := start + strings.IndexByte(lines[start:], '\n')
		line := lines[start:end]
		at := strings.LastIndexByte(line, ' ')
		switch c := compareWith(v, line[:at]); {
		case c == 0:
			percent, _ := strconv.Atoi(line[at+1:])
			return percent
		case c < 0:
			lines = lines[:start]
		default:
			lines = lines[end+1:]
		}
	}
	return s.others
}

// compareWith is v.Compare of the value that a literal is of.
func compareWith(v berth.Value, literal string) int {
	number, isNumber := v.Number()
	if literal[0] == '"' {
		if isNumber {
			return -1
		}
		text, _ := strconv.Unquote(literal)
		return strings.Compare(v.String(), text)
	}
	if !isNumber {
		return 1
	}
	other, _ := strconv.ParseFloat(literal, 64)
	return cmp.Compare(number, other)
}

// String prints targets(dc, 10, "dc1" 80%, "dc2" 20%), then what Others said, others 5%, and what was said of the tasks, as other rules do.
func (s Shares) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "targets(%s, %d", lex.PrintName(s.attribute), s.wanted)
	for line := range strings.Lines(strings.Trim(s.percents, "\n")) {
		fmt.Fprintf(&b, ", %s%%", strings.TrimSuffix(line, "\n"))
	}
	if s.said {
		fmt.Fprintf(&b, ", others %d%%", s.others)
	}
	return b.String() + printCounting(s.counting) + ")"
}

// Err returns every fault of the rule joined into one error, or nil. The zero Shares is at fault.
func (s Shares) Err() error { return s.faults().err(s) }

func (s Shares) faults() (f faults) {
	f.add(checkName("attribute name", s.attribute))
	f.add(atLeastOne("number of tasks wanted", s.wanted))
	f += s.found
	if s.percents == "" {
		f.add("no values")
	}
	if s.others < 0 || s.others > 100 {
		f.add(fmt.Sprintf("percentage %d of the others is not from 0 to 100", s.others))
	}
	f.addAll(s.counting.Err())
	return f
}

// MarshalText returns what String prints, which [Parse] reads. It fails if the rule has a fault.
func (s Shares) MarshalText() ([]byte, error) { return text(s) }

// targets reads what Shares prints.
func (p *parser) targets() (berth.Constraint, error) {
	name, err := p.subject()
	if err != nil {
		return nil, err
	}
	wanted, err := p.integer()
	if err != nil {
		return nil, err
	}
	percents := map[any]int{}
	for p.Space(); p.Peek() == ','; p.Space() {
		before := p.Pos
		p.Pos++
		p.Space()
		if c := p.Peek(); c != '"' && c != '-' && !lex.IsDigit(c) {
			p.Pos = before // an option
			break
		}
		at := p.Pos
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		percent, err := p.percent()
		if err != nil {
			return nil, err
		}
		if _, twice := percents[value]; twice {
			return nil, p.FaultAt(at, "value %v is given twice", value)
		}
		percents[value] = percent
	}
	rule := Targets(name, wanted, percents)
	counting := rule.counting
	options := p.counting(&counting, false)
	options["others"] = func() error {
		percent, err := p.percent()
		rule = rule.Others(percent)
		return err
	}
	err = p.options(options)
	rule.counting = counting
	return rule, err
}

// percent reads a number and the sign of percents.
func (p *parser) percent() (int, error) {
	p.Space()
	n, err := p.integer()
	if err != nil {
		return 0, err
	}
	if p.Peek() != '%' {
		return 0, p.Fault(`want "%%"`)
	}
	p.Pos++
	return n, nil
}
