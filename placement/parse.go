package placement

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
)

// Reader reads strategies as they print. The zero Reader knows all terms of this package but [Prefer], which takes
// Rules. It may be used by any number of goroutines.
type Reader struct {
	// Rules reads the rules of Prefer; constraints.Parse is one.
	Rules func(text string) (berth.Constraint, error)

	// Terms are the host's own, those made by [Class], [Additive], [OfState], [Change] and [Func]: a text has their names. One is
	// taken as it is here, but for its weight, which the text says, and its range, if the text says one.
	Terms []Term
}

// ParseStrategy reads a strategy as it prints, with the zero [Reader].
func ParseStrategy(text string) (Strategy, error) { return Reader{}.Strategy(text) }

// Strategy reads a strategy as it prints, and returns one that prints alike and places alike. Space between words may be more or less
// than in print. The error is a [*berth.SyntaxError], for a strategy that is at fault too. It takes time in proportion to the text.
func (r Reader) Strategy(text string) (Strategy, error) {
	p := parser{Reader: r, text: text}
	s, err := p.strategy()
	if err != nil {
		return Strategy{}, err
	}
	return s, nil
}

// words are those that have a meaning in texts of strategies, which terms of hosts are in quotes for.
var words = []string{"any", "between", "binpack", "first", "in-use", "models", "over", "prefer", "preferences", "random", "seed", "spread",
	"tasks", "then", "ties", "within"}

// printName prints a name, in quotes if it would not be read as one.
func printName(name string) string {
	for i := range len(name) {
		if !isBare(name[i]) {
			return strconv.Quote(name)
		}
	}
	if name == "" {
		return strconv.Quote(name)
	}
	return name
}

func printNames(names []string) string {
	each := make([]string, len(names))
	for i, n := range names {
		each[i] = printName(n)
	}
	return strings.Join(each, ", ")
}

// printOwn prints the name of a host's term.
func printOwn(name string) string {
	if name == "" || slices.Contains(words, name) || !isLetter(name[0]) {
		return strconv.Quote(name)
	}
	return printName(name)
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isBare(c byte) bool { return isLetter(c) || isDigit(c) || strings.IndexByte("._-/:", c) >= 0 }

type parser struct {
	Reader
	text string
	pos  int
}

func (p *parser) faultAt(offset int, format string, args ...any) error {
	return &berth.SyntaxError{Reader: "placement", Text: p.text, Offset: offset, Err: fmt.Errorf(format, args...)}
}

func (p *parser) space() {
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
	}
}

// at passes over a sign, and reports whether it was there.
func (p *parser) at(sign byte) bool {
	p.space()
	if p.pos == len(p.text) || p.text[p.pos] != sign {
		return false
	}
	p.pos++
	return true
}

func (p *parser) want(sign byte) error {
	if !p.at(sign) {
		return p.faultAt(p.pos, "want %q", string(sign))
	}
	return nil
}

// word reads what needs no quotes.
func (p *parser) word() string {
	p.space()
	start := p.pos
	for p.pos < len(p.text) && isBare(p.text[p.pos]) {
		p.pos++
	}
	return p.text[start:p.pos]
}

// says passes over a word, and reports whether it was there.
func (p *parser) says(word string) bool {
	before := p.pos
	if p.word() == word {
		return true
	}
	p.pos = before
	return false
}

func (p *parser) wantWord(word string) error {
	if p.space(); !p.says(word) {
		return p.faultAt(p.pos, "want %q", word)
	}
	return nil
}

// name reads a name, and says whether it was in quotes.
func (p *parser) name() (name string, quoted bool, err error) {
	if p.space(); p.pos < len(p.text) && p.text[p.pos] == '"' {
		text, err := strconv.QuotedPrefix(p.text[p.pos:])
		if err != nil {
			return "", false, p.faultAt(p.pos, "the quotes do not end, or what is between them is not as Go writes it")
		}
		p.pos += len(text)
		name, err = strconv.Unquote(text)
		return name, true, err
	}
	if name = p.word(); name == "" {
		return "", false, p.faultAt(p.pos, "want a name")
	}
	return name, false, nil
}

func (p *parser) names() (names []string, err error) {
	for more := true; more; more = p.at(',') {
		name, _, err := p.name()
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// list reads names between parentheses, or none.
func (p *parser) list() (names []string, err error) {
	if err := p.want('('); err != nil || p.at(')') {
		return nil, err
	}
	if names, err = p.names(); err != nil {
		return nil, err
	}
	return names, p.want(')')
}

func (p *parser) integer() (int64, error) {
	p.space()
	start := p.pos
	n, err := strconv.ParseInt(p.word(), 10, 64)
	if err != nil {
		return 0, p.faultAt(start, "want a whole number")
	}
	return n, nil
}

func (p *parser) unsigned() (uint64, error) {
	p.space()
	start := p.pos
	n, err := strconv.ParseUint(p.word(), 10, 64)
	if err != nil {
		return 0, p.faultAt(start, "want a whole number of no sign")
	}
	return n, nil
}

// strategy reads all of the text.
func (p *parser) strategy() (Strategy, error) {
	s, err := p.named()
	if err == nil && s.tiers == nil {
		s, err = p.sums()
	}
	if err != nil {
		return s, err
	}
	if p.at(';') {
		p.space()
		switch {
		case p.says("ties"):
			if err := p.wantWord("by"); err != nil {
				return s, err
			}
			if err := p.wantWord("id"); err != nil {
				return s, err
			}
			s = s.TiesByID()
		case p.says("seed"):
			seed, err := p.unsigned()
			if err != nil {
				return s, err
			}
			s = s.Seed(seed)
		default:
			return s, p.faultAt(p.pos, `want "ties by id" or a seed`)
		}
	}
	if p.space(); p.pos < len(p.text) {
		return s, p.faultAt(p.pos, "the strategy has ended")
	}
	return s, nil
}

// named reads a strategy that prints as a name, or none.
func (p *parser) named() (s Strategy, err error) {
	p.space()
	start := p.pos
	switch {
	case p.says("binpack"):
		var names []string
		if p.space(); strings.HasPrefix(p.text[p.pos:], "(") {
			names, err = p.list()
		}
		s = BinPack(names...)
	case p.says("spread"):
		var names []string
		names, err = p.list()
		s = Spread(names...)
		if err == nil && p.says("over") {
			names, err = p.names()
			s = s.Over(names...)
		}
	case p.says("first"):
		err = p.wantWord("fit")
		s = FirstFit()
	default:
		return Strategy{}, nil
	}
	if err != nil {
		return s, err
	}
	if err := s.Err(); err != nil {
		return s, p.faultAt(start, "%w", err)
	}
	return p.within(s)
}

// within reads the tolerance of the last tier, if there is one.
func (p *parser) within(s Strategy) (Strategy, error) {
	if !p.says("within") {
		return s, nil
	}
	p.space()
	start := p.pos
	n, err := p.integer()
	if err == nil && n < 0 {
		err = p.faultAt(start, "a tolerance of %d is less than none", n)
	}
	return s.Within(n), err
}

// sums reads tiers of terms.
func (p *parser) sums() (s Strategy, err error) {
	for {
		p.space()
		start := p.pos
		var terms []Term
		for more := !p.says("any"); more; more = p.at('+') {
			t, err := p.term()
			if err != nil {
				return s, err
			}
			terms = append(terms, t)
		}
		if err := Best(terms...).Err(); err != nil {
			return s, p.faultAt(start, "%w", err)
		}
		s.tiers = append(s.tiers, tier{terms: terms})
		if s, err = p.within(s); err != nil || !p.at(',') {
			return s, err
		}
		if err := p.wantWord("then"); err != nil {
			return s, err
		}
	}
}

// term reads a term with its weight and range.
func (p *parser) term() (Term, error) {
	p.space()
	weight := int64(1)
	if p.pos < len(p.text) && (isDigit(p.text[p.pos]) || p.text[p.pos] == '-') {
		n, err := p.integer()
		if err != nil {
			return Term{}, err
		}
		weight = n
	}
	p.space()
	start := p.pos
	t, err := p.rating()
	if err != nil {
		return t, err
	}
	if t.weight = weight; p.says("between") {
		lo, err := p.integer()
		if err != nil {
			return t, err
		}
		if err := p.wantWord("and"); err != nil {
			return t, err
		}
		hi, err := p.integer()
		if err != nil {
			return t, err
		}
		t = t.Between(lo, hi)
	}
	if err := t.Err(); err != nil {
		return t, p.faultAt(start, "%w", err)
	}
	return t, nil
}

// rating reads a term without its weight and range.
func (p *parser) rating() (Term, error) {
	start := p.pos
	name, quoted, err := p.name()
	if err != nil {
		return Term{}, err
	}
	if !quoted {
		switch name {
		case "preferences":
			return Preferences(), nil
		case "models":
			return Models(), nil
		case "in-use":
			names, err := p.list()
			return InUse(names...), err
		case "tasks":
			return p.tasks()
		case "prefer":
			return p.prefer()
		case "random":
			if err := p.want('('); err != nil {
				return Term{}, err
			}
			seed, err := p.unsigned()
			if err != nil {
				return Term{}, err
			}
			return randomly(seed), p.want(')')
		}
	}
	for _, t := range p.Terms {
		if t.isOwn() && t.name == name {
			return t, nil
		}
	}
	return Term{}, p.faultAt(start, "no term is named %q; a host's own are read by a Reader that has them", name)
}

func (p *parser) tasks() (Term, error) {
	if err := p.want('('); err != nil {
		return Term{}, err
	}
	name, _, err := p.name()
	if err != nil {
		return Term{}, err
	}
	t := Tasks(name)
	if p.at(',') {
		if err := p.wantWord("missing"); err != nil {
			return t, err
		}
		n, err := p.integer()
		if err != nil {
			return t, err
		}
		t = t.Missing(n)
	}
	return t, p.want(')')
}

// prefer reads the rule of Prefer, up to the parenthesis that ends it.
func (p *parser) prefer() (Term, error) {
	p.space()
	open := p.pos
	if err := p.want('('); err != nil {
		return Term{}, err
	}
	start := p.pos
	for depth := 1; depth > 0; {
		if p.pos == len(p.text) {
			return Term{}, p.faultAt(open, "the parentheses do not end")
		}
		switch p.text[p.pos] {
		case '"':
			if _, _, err := p.name(); err != nil {
				return Term{}, err
			}
			continue
		case '(':
			depth++
		case ')':
			depth--
		}
		p.pos++
	}
	if p.Rules == nil {
		return Term{}, p.faultAt(start, "prefer: rules are read by a Reader that has Rules, such as constraints.Parse")
	}
	rule, err := p.Rules(p.text[start : p.pos-1])
	var fault *berth.SyntaxError
	if errors.As(err, &fault) {
		return Term{}, p.faultAt(start+fault.Offset, "prefer: %w", fault.Err)
	}
	if err != nil {
		return Term{}, p.faultAt(start, "prefer: %w", err)
	}
	return Prefer(rule), nil
}
