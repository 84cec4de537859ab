package berth

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseSelector reads what [Selector.String] prints, and what reads the same: white space, needless parentheses, values
// without quotes where they are of letters, digits and "._-/:", "not" before any part, "and" binding closer than "or". The
// error is a [*SyntaxError]. It takes time in proportion to the text, but for the sorting of parts.
func ParseSelector(text string) (Selector, error) {
	p := selectorParser{text: text}
	p.next()
	if p.word("own") && p.rest() == "" {
		return Selector{}, nil
	}
	s := p.or()
	if p.err == nil && p.kind != endToken {
		p.fail("want the end")
	}
	if p.err == nil {
		if err := s.Err(); err != nil {
			p.err = &SyntaxError{"selector", text, 0, err}
		}
	}
	if p.err != nil {
		return Selector{}, p.err
	}
	return s, nil
}

// MarshalText returns what String prints; the faults of a faulty selector are an error.
func (s Selector) MarshalText() ([]byte, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText returns, as [ParseSelector] does.
func (s *Selector) UnmarshalText(text []byte) error {
	parsed, err := ParseSelector(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}

// maxNesting bounds how deep what is read may be, lest a text of parentheses take all memory for the stack.
const maxNesting = 1000

type tokenKind uint8

const (
	endToken tokenKind = iota
	wordToken
	quotedToken
	signToken // = != ( ) ,
	badToken
)

// selectorParser is a parser by recursive descent. After a fault it reads nothing more.
type selectorParser struct {
	text  string
	at    int // after the token
	from  int // where it begins
	kind  tokenKind
	token string // the word, the quoted text, or the sign
	depth int
	err   error
}

// next reads a token.
func (p *selectorParser) next() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	p.from = p.at
	left := p.text[p.at:]
	if left == "" {
		p.kind, p.token = endToken, ""
		return
	}
	first, size := utf8.DecodeRuneInString(left)
	switch {
	case isWord(first):
		n := strings.IndexFunc(left, func(r rune) bool { return !isWord(r) })
		if n < 0 {
			n = len(left)
		}
		p.kind, p.token = wordToken, left[:n]
		size = n
	case first == '"':
		quoted, err := strconv.QuotedPrefix(left)
		text, _ := strconv.Unquote(quoted)
		if p.kind, p.token, size = quotedToken, text, len(quoted); err != nil {
			p.kind, size = badToken, len(left)
		}
	case strings.HasPrefix(left, "!="):
		p.kind, p.token, size = signToken, "!=", 2
	case strings.ContainsRune("=(),", first):
		p.kind, p.token = signToken, left[:size]
	default:
		p.kind = badToken
	}
	p.at += size
}

func (p *selectorParser) rest() string { return strings.TrimSpace(p.text[p.at:]) }

func (p *selectorParser) word(w string) bool { return p.kind == wordToken && p.token == w }

func (p *selectorParser) sign(s string) bool { return p.kind == signToken && p.token == s }

// fail notes what is wrong at the present token.
func (p *selectorParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = &SyntaxError{"selector", p.text, p.from, fmt.Errorf(format, args...)}
	}
}

// expect passes by a sign.
func (p *selectorParser) expect(s string) {
	if !p.sign(s) {
		p.fail("want %q", s)
		return
	}
	p.next()
}

// name passes by a name or value and returns it.
func (p *selectorParser) name(what string) string {
	token := p.token
	if p.kind != wordToken && p.kind != quotedToken {
		p.fail("want %s", what)
		return ""
	}
	p.next()
	return token
}

func (p *selectorParser) or() Selector  { return p.combined("or", p.and, Selector.Or) }
func (p *selectorParser) and() Selector { return p.combined("and", p.not, Selector.And) }

func (p *selectorParser) combined(word string, part func() Selector, combine func(Selector, ...Selector) Selector) Selector {
	first := part()
	var others []Selector
	for p.err == nil && p.word(word) {
		p.next()
		others = append(others, part())
	}
	if len(others) == 0 {
		return first
	}
	return combine(first, others...)
}

func (p *selectorParser) not() Selector {
	if p.depth++; p.depth > maxNesting {
		p.fail("nested deeper than %d", maxNesting)
	}
	defer func() { p.depth-- }()
	switch {
	case p.err != nil:
		return Selector{}
	case p.word("not"):
		p.next()
		return p.not().Not()
	case p.sign("("):
		p.next()
		s := p.or()
		p.expect(")")
		return s
	case p.kind == wordToken:
		switch w := p.token; w {
		case "any", "none":
			p.next()
			if w == "any" {
				return AnyTask()
			}
			return AnyTask().Not()
		case "exists", "in-role", "in-group":
			p.next()
			p.expect("(")
			name := p.name("a name")
			p.expect(")")
			switch w {
			case "exists":
				return HasLabel(name)
			case "in-role":
				return InRole(Role(name))
			}
			return InGroup(name)
		case "and", "or", "in", "own":
			p.fail("want a part of a selector")
			return Selector{}
		}
	}
	return p.comparison()
}

func (p *selectorParser) comparison() Selector {
	key := p.name("a part of a selector")
	if p.err != nil {
		return Selector{}
	}
	switch {
	case p.sign("="):
		p.next()
		return Label(key, p.name("a value"))
	case p.sign("!="):
		p.next()
		return Label(key, p.name("a value")).Not()
	case p.word("in"):
		return Label(key, p.values()...)
	case p.word("not"):
		if p.next(); p.word("in") {
			return Label(key, p.values()...).Not()
		}
		p.fail(`want "in"`)
	default:
		p.fail("want =, !=, in or not in after the label %q", key)
	}
	return Selector{}
}

// values reads what comes after the word in.
func (p *selectorParser) values() []string {
	p.next()
	p.expect("(")
	values := []string{p.name("a value")}
	for p.err == nil && p.sign(",") {
		p.next()
		values = append(values, p.name("a value"))
	}
	p.expect(")")
	return values
}
