package constraints

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
	input "github.com/berth-sched/berth/internal/faults"
)

// Own is a host's rules by name, for texts that have them. A host's rule prints as its name, or as its name and what it
// was made with between parentheses: near-cache("eu", 3). Its function makes the rule of that, without the
// parentheses around it: any text in which parentheses and double quotes are in pairs.
//
// The names are those of attributes that need no quotes, and none that has a meaning here. The nil Own has no rules.
type Own map[string]func(arguments string) (berth.Constraint, error)

// Parse reads a rule as it prints, and returns one that is equal to it, or, of a [Pattern] or a host's rule, prints
// alike. Space between words may be more or less than in print. The error is a [*berth.SyntaxError]. It
// takes time in proportion to the text.
func Parse(text string) (berth.Constraint, error) { return Own(nil).Parse(text) }

// ParsePreference reads a preference as it prints: the weight with its sign, a space and the rule. The error is a
// [*berth.SyntaxError].
func ParsePreference(text string) (berth.Preference, error) { return Own(nil).ParsePreference(text) }

// Parse is the function [Parse] for texts that may have the host's rules too.
func (o Own) Parse(text string) (berth.Constraint, error) {
	p := parser{text: text, own: o}
	return p.all()
}

// ParsePreference is the function [ParsePreference] for texts that may have the host's rules too.
func (o Own) ParsePreference(text string) (berth.Preference, error) {
	p := parser{text: text, own: o}
	p.space()
	start := p.pos
	p.while(isSign)
	p.while(isDigit)
	weight, err := strconv.ParseInt(text[start:p.pos], 10, 64)
	if err != nil || !isSign(text[start]) {
		return berth.Preference{}, p.faultAt(start, "want a weight with its sign")
	}
	rule, err := p.all()
	if err != nil {
		return berth.Preference{}, err
	}
	return berth.Preference{Weight: weight, Rule: rule}, nil
}

// parser reads one text from its beginning to its end.
type parser struct {
	text  string
	pos   int
	depth int // of parentheses
	own   Own
}

func (p *parser) faultAt(offset int, format string, args ...any) error {
	return &berth.SyntaxError{Reader: "constraints", Text: p.text, Offset: offset, Err: fmt.Errorf(format, args...)}
}

func (p *parser) fault(format string, args ...any) error { return p.faultAt(p.pos, format, args...) }

// all reads a rule that nothing comes after.
func (p *parser) all() (berth.Constraint, error) {
	rule, err := p.rule()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.text) {
		return nil, p.fault("the rule has ended")
	}
	return rule, nil
}

// rule reads a rule, and checks it.
func (p *parser) rule() (berth.Constraint, error) {
	p.space()
	start := p.pos
	rule, err := p.unchecked()
	if err != nil {
		return nil, err
	}
	if err := rule.Err(); err != nil {
		return nil, p.faultAt(start, "%w", err)
	}
	return rule, nil
}

func (p *parser) unchecked() (berth.Constraint, error) {
	if p.peek() == '(' {
		return p.pair()
	}
	start := p.pos
	if p.peek() == '"' {
		name, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return p.comparison(name)
	}
	name := p.word()
	if name == "" {
		return nil, p.fault("want a rule")
	}
	p.space()
	switch make, own := p.own[name]; {
	case p.peek() == '(' && name == not:
		return p.negation()
	case p.peek() == '(':
		if read := functions[name]; read != nil {
			return p.call(name, read)
		}
		if !own {
			return nil, p.faultAt(start, "no rule is named %q", name)
		}
		from := p.pos + 1
		if err := p.skipPair(); err != nil {
			return nil, err
		}
		return p.made(start, name, make, p.text[from:p.pos-1])
	case own && !p.atOperator():
		return p.made(start, name, make, "")
	}
	return p.comparison(name)
}

// made has a host's function make a rule.
func (p *parser) made(start int, name string, make func(string) (berth.Constraint, error), arguments string) (berth.Constraint, error) {
	if meant(name) || make == nil {
		return nil, p.faultAt(start, "%q cannot be the name of a host's rule", name)
	}
	rule, err := make(arguments)
	if err != nil {
		return nil, p.faultAt(start, "%s: %w", name, err)
	}
	if input.IsNil(rule) {
		return nil, p.faultAt(start, "%s: no rule was made", name)
	}
	return rule, nil
}

// meant reports whether a word has a meaning in texts of rules.
func meant(word string) bool {
	return functions[word] != nil || word == and || word == or || word == not || word == string(in) || printName(word) != word
}

// pair reads (a and b) or (a or b).
func (p *parser) pair() (berth.Constraint, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	a, err := p.part()
	if err != nil {
		return nil, err
	}
	p.space()
	at := p.pos
	op := p.word()
	if op != and && op != or {
		return nil, p.faultAt(at, `want "and" or "or"`)
	}
	b, err := p.part()
	if err != nil {
		return nil, err
	}
	return combine(op, a, b), p.close()
}

// negation reads the rest of not (a).
func (p *parser) negation() (berth.Constraint, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	a, err := p.part()
	if err != nil {
		return nil, err
	}
	return Not(a), p.close()
}

func (p *parser) open() error {
	if p.depth++; p.depth > maxDepth {
		return p.fault("nested deeper than %d", maxDepth)
	}
	p.pos++
	return nil
}

func (p *parser) close() error {
	if p.space(); p.peek() != ')' {
		return p.fault(`want ")"`)
	}
	p.pos++
	p.depth--
	return nil
}

// part reads a part of a combination.
func (p *parser) part() (berth.NodeRule, error) {
	p.space()
	start := p.pos
	rule, err := p.rule()
	if err != nil {
		return nil, err
	}
	part, ok := rule.(berth.NodeRule)
	if !ok {
		return nil, p.faultAt(start, "only rules about a node's attributes can be combined")
	}
	return part, nil
}

// functions read the arguments of the rules that print as name(arguments).
var functions = map[string]func(*parser) (berth.Constraint, error){
	string(exists):    attributeOf(Exists),
	string(notExists): attributeOf(NotExists),
	match:             patternOf(match),
	notMatch:          patternOf(notMatch),
	search:            patternOf(search),
	"unique":          (*parser).unique,
	"max-per":         (*parser).maxPer,
	"apart":           pairOf(Apart),
	"near":            pairOf(Near),
	"group-by":        (*parser).groupBy,
	"tolerate":        (*parser).toleration,
}

func (p *parser) call(name string, read func(*parser) (berth.Constraint, error)) (berth.Constraint, error) {
	p.pos++
	p.space()
	rule, err := read(p)
	if err != nil {
		return nil, err
	}
	if p.space(); p.peek() != ')' {
		return nil, p.fault(`want ")" after what %s is about`, name)
	}
	p.pos++
	return rule, nil
}

func attributeOf[R berth.Constraint](rule func(string) R) func(*parser) (berth.Constraint, error) {
	return func(p *parser) (berth.Constraint, error) {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		return rule(name), nil
	}
}

func patternOf(kind string) func(*parser) (berth.Constraint, error) {
	return func(p *parser) (berth.Constraint, error) {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		if err := p.comma(); err != nil {
			return nil, err
		}
		pattern, err := p.quoted()
		if err != nil {
			return nil, err
		}
		return newPattern(kind, name, pattern), nil
	}
}

func (p *parser) maxPer() (berth.Constraint, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	if err := p.comma(); err != nil {
		return nil, err
	}
	n, err := p.integer()
	if err != nil {
		return nil, err
	}
	rule := MaxPer(name, n)
	err = p.options(p.counting(&rule.counting, false))
	return rule, err
}

func (p *parser) unique() (berth.Constraint, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	rule := Unique(name)
	err = p.options(p.counting(&rule.counting, false))
	return rule, err
}

func pairOf(pair func(string, berth.Selector) Pair) func(*parser) (berth.Constraint, error) {
	return func(p *parser) (berth.Constraint, error) {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		if err := p.comma(); err != nil {
			return nil, err
		}
		tasks, err := p.selector()
		if err != nil {
			return nil, err
		}
		rule := pair(name, tasks)
		err = p.options(map[string]func() error{"without": p.stopping(&rule.counting)})
		return rule, err
	}
}

// options reads what may come after the arguments of a rule, each once and after a comma, by its first word.
func (p *parser) options(read map[string]func() error) error {
	said := map[string]bool{}
	for p.space(); p.peek() == ','; p.space() {
		p.pos++
		p.space()
		at := p.pos
		option := p.word()
		if read[option] == nil || said[option] {
			return p.faultAt(at, "want one of %s, once", strings.Join(slices.Sorted(maps.Keys(read)), ", "))
		}
		said[option] = true
		p.space()
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
			at := p.pos
			if c.Of, err = p.selector(); err == nil && c.Of.IsOwn() {
				err = p.faultAt(at, "a rule is of the group's own tasks if it does not say")
			}
			return err
		},
		"without": p.stopping(c),
	}
	if compares {
		options["over"] = func() error {
			at := p.pos
			if err := c.Over.UnmarshalText([]byte(p.word())); err != nil {
				return p.faultAt(at, "%w", err)
			}
			return nil
		}
	}
	return options
}

func (p *parser) stopping(c *berth.Counting) func() error {
	return func() error {
		if at := p.pos; p.word() != "stopping" {
			return p.faultAt(at, `want "stopping"`)
		}
		c.WithoutStopping = true
		return nil
	}
}

// selector reads a selector, up to a comma or parenthesis that is not its own.
func (p *parser) selector() (berth.Selector, error) {
	start := p.pos
	for p.pos < len(p.text) && p.peek() != ',' && p.peek() != ')' {
		switch p.peek() {
		case '"':
			if _, err := p.quoted(); err != nil {
				return berth.Selector{}, err
			}
		case '(':
			if err := p.skipPair(); err != nil {
				return berth.Selector{}, err
			}
		default:
			p.pos++
		}
	}
	s, err := berth.ParseSelector(p.text[start:p.pos])
	var fault *berth.SyntaxError
	if errors.As(err, &fault) {
		return s, p.faultAt(start+fault.Offset, "%w", fault.Err)
	}
	return s, err
}

func (p *parser) groupBy() (berth.Constraint, error) {
	name, err := p.name()
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

func (p *parser) toleration() (berth.Constraint, error) {
	if p.peek() == '*' {
		p.pos++
		return TolerateAll(), nil
	}
	key, err := p.name()
	if err != nil {
		return nil, err
	}
	if p.space(); p.peek() != '=' {
		return TolerateKey(key), nil
	}
	p.pos++
	p.space()
	value, err := p.quoted()
	return Tolerate(key, value), err
}

// comparison reads what comes after the attribute of a comparison.
func (p *parser) comparison(attribute string) (berth.Constraint, error) {
	p.space()
	at := p.pos
	op := p.operator()
	switch op {
	case "":
		return nil, p.faultAt(at, "want =, !=, <, <=, >, >=, in or not in after the attribute %q", attribute)
	case in, notIn:
		values, err := p.values()
		return compareAny(attribute, op, values), err
	}
	p.space()
	value, err := p.value()
	return compare(attribute, op, value), err
}

// atOperator reports whether an operator comes next.
func (p *parser) atOperator() bool {
	ahead := *p
	return ahead.operator() != ""
}

// operator reads an operator, or nothing and returns none.
func (p *parser) operator() operator {
	for _, op := range []operator{notEqual, atMost, atLeast, equal, less, greater} {
		if strings.HasPrefix(p.text[p.pos:], string(op)) {
			p.pos += len(op)
			return op
		}
	}
	start := p.pos
	switch p.word() {
	case string(in):
		return in
	case not:
		if p.space(); p.word() == string(in) {
			return notIn
		}
	}
	p.pos = start
	return ""
}

// values reads the set after in.
func (p *parser) values() ([]any, error) {
	if p.space(); p.peek() != '(' {
		return nil, p.fault(`want "("`)
	}
	var values []any
	for {
		p.pos++
		p.space()
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		switch p.space(); p.peek() {
		case ')':
			p.pos++
			return values, nil
		case ',':
		default:
			return nil, p.fault(`want "," or ")"`)
		}
	}
}

// value reads a quoted text or a number.
func (p *parser) value() (any, error) {
	if p.peek() == '"' {
		return p.quoted()
	}
	start := p.pos
	p.while(func(c byte) bool { return isDigit(c) || isSign(c) || c == '.' || c == 'e' || c == 'E' })
	f, err := strconv.ParseFloat(p.text[start:p.pos], 64)
	if err != nil {
		return nil, p.faultAt(start, "want a text in quotes or a number")
	}
	return f, nil
}

func (p *parser) integer() (int, error) {
	start := p.pos
	p.while(func(c byte) bool { return isDigit(c) || isSign(c) })
	n, err := strconv.Atoi(p.text[start:p.pos])
	if err != nil {
		return 0, p.faultAt(start, "want a whole number")
	}
	return n, nil
}

// name reads the name of an attribute or a taint.
func (p *parser) name() (string, error) {
	if p.peek() == '"' {
		return p.quoted()
	}
	name := p.word()
	if name == "" {
		return "", p.fault("want a name")
	}
	return name, nil
}

func (p *parser) quoted() (string, error) {
	if p.peek() != '"' {
		return "", p.fault("want a text in quotes")
	}
	quoted, err := strconv.QuotedPrefix(p.text[p.pos:])
	if err != nil {
		return "", p.fault("the quotes do not end, or what is between them is not as Go writes it")
	}
	p.pos += len(quoted)
	return strconv.Unquote(quoted)
}

// skipPair passes over parentheses and what is between them.
func (p *parser) skipPair() error {
	start := p.pos
	for open := 0; p.pos < len(p.text); {
		switch p.text[p.pos] {
		case '"':
			if _, err := p.quoted(); err != nil {
				return err
			}
			continue
		case '(':
			open++
		case ')':
			open--
		}
		if p.pos++; open == 0 {
			return nil
		}
	}
	return p.faultAt(start, "the parentheses do not end")
}

func (p *parser) comma() error {
	if p.space(); p.peek() != ',' {
		return p.fault(`want ","`)
	}
	p.pos++
	p.space()
	return nil
}

// word reads what needs no quotes.
func (p *parser) word() string {
	start := p.pos
	p.while(isBare)
	return p.text[start:p.pos]
}

func (p *parser) space() { p.while(func(c byte) bool { return c == ' ' }) }

func (p *parser) while(is func(byte) bool) {
	for p.pos < len(p.text) && is(p.text[p.pos]) {
		p.pos++
	}
}

// peek returns the next byte, or 0 at the end.
func (p *parser) peek() byte {
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isSign(c byte) bool { return c == '+' || c == '-' }
