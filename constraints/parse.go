package constraints

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	input "github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/lex"
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
	p := parser{Scanner: lex.Scanner{Reader: "constraints", Text: text}, own: o}
	return p.all()
}

// ParsePreference is the function [ParsePreference] for texts that may have the host's rules too.
func (o Own) ParsePreference(text string) (berth.Preference, error) {
	p := parser{Scanner: lex.Scanner{Reader: "constraints", Text: text}, own: o}
	p.Space()
	start := p.Pos
	p.While(lex.IsSign)
	p.While(lex.IsDigit)
	weight, err := strconv.ParseInt(text[start:p.Pos], 10, 64)
	if err != nil || !lex.IsSign(text[start]) {
		return berth.Preference{}, p.FaultAt(start, "want a weight with its sign")
	}
	rule, err := p.all()
	if err != nil {
		return berth.Preference{}, err
	}
	return berth.Preference{Weight: weight, Rule: rule}, nil
}

// parser reads one text from its beginning to its end.
type parser struct {
	lex.Scanner
	depth int // of parentheses
	own   Own
}

// all reads a rule that nothing comes after.
func (p *parser) all() (berth.Constraint, error) {
	rule, err := p.rule()
	if err != nil {
		return nil, err
	}
	if p.Space(); p.Pos < len(p.Text) {
		return nil, p.Fault("the rule has ended")
	}
	return rule, nil
}

// rule reads a rule, and checks it.
func (p *parser) rule() (berth.Constraint, error) {
	p.Space()
	start := p.Pos
	rule, err := p.unchecked()
	if err != nil {
		return nil, err
	}
	if err := rule.Err(); err != nil {
		return nil, p.FaultAt(start, "%w", err)
	}
	return rule, nil
}

func (p *parser) unchecked() (berth.Constraint, error) {
	if p.Peek() == '(' {
		return p.combination()
	}
	start := p.Pos
	if p.Peek() == '"' {
		name, err := p.Quoted()
		if err != nil {
			return nil, err
		}
		return p.comparison(name)
	}
	name := p.Word()
	if name == "" {
		return nil, p.Fault("want a rule")
	}
	p.Space()
	switch make, own := p.own[name]; {
	case p.Peek() == '(' && name == not:
		return p.negation()
	case p.Peek() == '(':
		if read := functions[name]; read != nil {
			return p.call(name, read)
		}
		if !own {
			return nil, p.FaultAt(start, "no rule is named %q", name)
		}
		from := p.Pos + 1
		if err := p.SkipPair(); err != nil {
			return nil, err
		}
		return p.made(start, name, make, p.Text[from:p.Pos-1])
	case constants[name] != nil && !p.atOperator():
		return constants[name](), nil
	case own && !p.atOperator():
		return p.made(start, name, make, "")
	}
	return p.comparison(name)
}

// made has a host's function make a rule.
func (p *parser) made(start int, name string, make func(string) (berth.Constraint, error), arguments string) (berth.Constraint, error) {
	if meant(name) || make == nil {
		return nil, p.FaultAt(start, "%q cannot be the name of a host's rule", name)
	}
	rule, err := make(arguments)
	if err != nil {
		return nil, p.FaultAt(start, "%s: %w", name, err)
	}
	if input.IsNil(rule) {
		return nil, p.FaultAt(start, "%s: no rule was made", name)
	}
	return rule, nil
}

// meant reports whether a word has a meaning in texts of rules.
func meant(word string) bool {
	return functions[word] != nil || constants[word] != nil || word == and || word == or || word == not || word == string(in) || lex.PrintName(word) != word
}

// combination reads (a and b and c) or (a or b).
func (p *parser) combination() (berth.Constraint, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	rule, err := p.part()
	if err != nil {
		return nil, err
	}
	want := `want "and" or "or"`
	for op := ""; ; {
		p.Space()
		if op != "" && p.Peek() == ')' {
			return rule, p.close()
		}
		at := p.Pos
		if next := p.Word(); next != and && next != or || op != "" && next != op {
			return nil, p.FaultAt(at, "%s", want)
		} else if op == "" {
			op, want = next, fmt.Sprintf(`want %q or ")"`, next)
		}
		part, err := p.part()
		if err != nil {
			return nil, err
		}
		rule = combine(op, rule, part)
	}
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
		return p.Fault("nested deeper than %d", maxDepth)
	}
	p.Pos++
	return nil
}

func (p *parser) close() error {
	if p.Space(); p.Peek() != ')' {
		return p.Fault(`want ")"`)
	}
	p.Pos++
	p.depth--
	return nil
}

// part reads a part of a combination.
func (p *parser) part() (berth.NodeRule, error) {
	p.Space()
	start := p.Pos
	rule, err := p.rule()
	if err != nil {
		return nil, err
	}
	part, ok := rule.(berth.NodeRule)
	if !ok {
		return nil, p.FaultAt(start, "only rules about a node's attributes can be combined")
	}
	return part, nil
}

// functions read the arguments of the rules that print as name(arguments).
var functions = map[string]func(*parser) (berth.Constraint, error){
	string(exists):    attributeOf(Exists),
	string(notExists): attributeOf(NotExists),
	match:             textOf(Match),
	notMatch:          textOf(NotMatch),
	search:            textOf(Search),
	"unique":          (*parser).unique,
	"max-per":         (*parser).maxPer,
	"apart":           pairOf(Apart),
	"near":            pairOf(Near),
	"avoid":           pairOf(Avoid),
	"colocate":        pairOf(Colocate),
	"group-by":        (*parser).groupBy,
	"targets":         (*parser).targets,
	"tolerate":        (*parser).toleration,

	string(containsAll): listOf(ContainsAll),
	string(containsAny): listOf(ContainsAny),
	string(inNetwork):   listOf(InNetwork),
	string(version):     textOf(Version),
	string(semVer):      textOf(SemVer),
}

// constants are the rules that print as a word.
var constants = map[string]func() Comparison{string(anyNode): Everywhere, string(noNode): Nowhere}

func (p *parser) call(name string, read func(*parser) (berth.Constraint, error)) (berth.Constraint, error) {
	p.Pos++
	p.Space()
	rule, err := read(p)
	if err != nil {
		return nil, err
	}
	if p.Space(); p.Peek() != ')' {
		return nil, p.Fault(`want ")" after what %s is about`, name)
	}
	p.Pos++
	return rule, nil
}

func attributeOf[R berth.Constraint](rule func(string) R) func(*parser) (berth.Constraint, error) {
	return func(p *parser) (berth.Constraint, error) {
		name, err := p.Name()
		if err != nil {
			return nil, err
		}
		return rule(name), nil
	}
}

// subject reads the attribute that a rule is about, and the comma before what it says of that.
func (p *parser) subject() (string, error) {
	name, err := p.Name()
	if err != nil {
		return "", err
	}
	return name, p.comma()
}

// textOf reads an attribute and a text.
func textOf[R berth.Constraint](rule func(attribute, text string) R) func(*parser) (berth.Constraint, error) {
	return func(p *parser) (berth.Constraint, error) {
		name, err := p.subject()
		if err != nil {
			return nil, err
		}
		text, err := p.Quoted()
		if err != nil {
			return nil, err
		}
		return rule(name, text), nil
	}
}

// listOf reads an attribute and one or more texts.
func listOf[R berth.Constraint](rule func(attribute string, texts ...string) R) func(*parser) (berth.Constraint, error) {
	return func(p *parser) (berth.Constraint, error) {
		name, err := p.Name()
		if err != nil {
			return nil, err
		}
		var texts []string
		for len(texts) == 0 || p.Peek() == ',' {
			if err := p.comma(); err != nil {
				return nil, err
			}
			text, err := p.Quoted()
			if err != nil {
				return nil, err
			}
			texts = append(texts, text)
			p.Space()
		}
		return rule(name, texts...), nil
	}
}

func (p *parser) toleration() (berth.Constraint, error) {
	t, err := p.tolerated()
	if err != nil {
		return nil, err
	}
	err = p.options(map[string]func() error{
		"effect": func() error {
			at := p.Pos
			if err := t.effect.UnmarshalText([]byte(p.Word())); err != nil {
				return p.FaultAt(at, "%w", err)
			}
			t.oneEffect = true
			return nil
		},
		"for": func() error {
			at := p.Pos
			stay, err := time.ParseDuration(p.Word())
			if err != nil {
				return p.FaultAt(at, "want a time such as 5m0s")
			}
			t = t.For(stay)
			return nil
		},
	})
	return t, err
}

// tolerated reads which taints a toleration is for.
func (p *parser) tolerated() (Toleration, error) {
	if p.Peek() == '*' {
		p.Pos++
		return TolerateAll(), nil
	}
	key, err := p.Name()
	if err != nil {
		return Toleration{}, err
	}
	p.Space()
	op := p.Peek()
	switch op {
	case '=', '<', '>':
		p.Pos++
		p.Space()
	default:
		return TolerateKey(key), nil
	}
	if op == '=' {
		value, err := p.Quoted()
		return Tolerate(key, value), err
	}
	n, err := p.integer()
	if op == '<' {
		return TolerateUnder(key, int64(n)), err
	}
	return TolerateOver(key, int64(n)), err
}

// comparison reads what comes after the attribute of a comparison.
func (p *parser) comparison(attribute string) (berth.Constraint, error) {
	p.Space()
	at := p.Pos
	op := p.operator()
	switch op {
	case "":
		return nil, p.FaultAt(at, "want =, !=, <, <=, >, >=, in or not in after the attribute %q", attribute)
	case in, notIn:
		values, err := p.values()
		return compareAny(attribute, op, values), err
	}
	p.Space()
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
		if strings.HasPrefix(p.Text[p.Pos:], string(op)) {
			p.Pos += len(op)
			return op
		}
	}
	start := p.Pos
	switch p.Word() {
	case string(in):
		return in
	case not:
		if p.Space(); p.Word() == string(in) {
			return notIn
		}
	}
	p.Pos = start
	return ""
}

// values reads the set after in.
func (p *parser) values() ([]any, error) {
	if p.Space(); p.Peek() != '(' {
		return nil, p.Fault(`want "("`)
	}
	var values []any
	for {
		p.Pos++
		p.Space()
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		switch p.Space(); p.Peek() {
		case ')':
			p.Pos++
			return values, nil
		case ',':
		default:
			return nil, p.Fault(`want "," or ")"`)
		}
	}
}

// value reads a quoted text or a number.
func (p *parser) value() (any, error) {
	if p.Peek() == '"' {
		return p.Quoted()
	}
	start := p.Pos
	p.While(func(c byte) bool { return lex.IsDigit(c) || lex.IsSign(c) || c == '.' || c == 'e' || c == 'E' })
	f, err := strconv.ParseFloat(p.Text[start:p.Pos], 64)
	if err != nil {
		return nil, p.FaultAt(start, "want a text in quotes or a number")
	}
	return f, nil
}

func (p *parser) integer() (int, error) {
	start := p.Pos
	p.While(func(c byte) bool { return lex.IsDigit(c) || lex.IsSign(c) })
	n, err := strconv.Atoi(p.Text[start:p.Pos])
	if err != nil {
		return 0, p.FaultAt(start, "want a whole number")
	}
	return n, nil
}

func (p *parser) comma() error {
	if p.Space(); p.Peek() != ',' {
		return p.Fault(`want ","`)
	}
	p.Pos++
	p.Space()
	return nil
}
