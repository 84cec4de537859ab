package placement

import (
	"fmt"
	"strconv"
	"strings"
)

// Parse reads a strategy that has a name, as it prints: binpack, binpack(gpu, cpu), spread(zone), spread(), first fit or
// random(7), and behind that over and the resources of [Strategy.Over], within and a tolerance, and ties by id or a seed. A name of a
// resource or an attribute that has more than ASCII letters, digits and ._-/: in it is quoted as in Go. Sums of terms have no text form that
// brings them back, for a term can have a function.
//
//	binpack(gpu) within 100; seed 7
//	spread(zone) over cpu; ties by id
func Parse(text string) (Strategy, error) {
	p := strategyParser{text: text}
	s, err := p.strategy()
	if err == nil && p.pos < len(p.text) {
		err = p.fault("the strategy has ended")
	}
	if err == nil {
		err = s.Err()
	}
	if err != nil {
		return Strategy{}, err
	}
	return s, nil
}

// MarshalText returns what String prints. It fails for a strategy that is at fault, or one that [Parse] would not read.
func (s Strategy) MarshalText() ([]byte, error) {
	s = s.given()
	if s.name == "" {
		return nil, fmt.Errorf("placement: strategy %q: a sum of terms has no text form that brings it back", s)
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what [Parse] reads.
func (s *Strategy) UnmarshalText(text []byte) error {
	read, err := Parse(string(text))
	if err == nil {
		*s = read
	}
	return err
}

type strategyParser struct {
	text string
	pos  int
}

func (p *strategyParser) fault(format string, args ...any) error {
	return fmt.Errorf("placement: strategy %q: offset %d: %s", p.text, p.pos, fmt.Sprintf(format, args...))
}

// has passes over a word if it comes next.
func (p *strategyParser) has(word string) bool {
	if !strings.HasPrefix(p.text[p.pos:], word) {
		return false
	}
	p.pos += len(word)
	return true
}

func (p *strategyParser) strategy() (s Strategy, err error) {
	var names []string
	switch {
	case p.has("binpack("):
		if names, err = p.names(); err == nil {
			s, err = BinPack(names...), p.want(")")
		}
	case p.has("binpack"):
		s = BinPack()
	case p.has("spread("):
		if p.has(")") {
			s = Spread()
		} else if names, err = p.names(); err == nil {
			s, err = Spread(names...), p.want(")")
		}
	case p.has(firstFit):
		s = FirstFit()
	case p.has("random("):
		var seed uint64
		if seed, err = p.number(); err == nil {
			s, err = Random(seed), p.want(")")
		}
	default:
		err = p.fault("want binpack, spread(, first fit or random(")
	}
	if err == nil && p.has(" over ") {
		if names, err = p.names(); err == nil {
			s = s.Over(names...)
		}
	}
	if err == nil && p.has(" within ") {
		var tolerance uint64
		if tolerance, err = p.number(); err == nil {
			if s = s.Within(int64(tolerance)); int64(tolerance) < 0 {
				err = p.fault("the tolerance before is too large")
			}
		}
	}
	switch {
	case err != nil:
	case p.has("; ties by id"):
		s = s.TiesByID()
	case p.has("; seed "):
		var seed uint64
		if seed, err = p.number(); err == nil {
			s = s.Seed(seed)
		}
	}
	return s, err
}

func (p *strategyParser) want(word string) error {
	if !p.has(word) {
		return p.fault("want %q", word)
	}
	return nil
}

func (p *strategyParser) number() (uint64, error) {
	end := p.pos
	for end < len(p.text) && '0' <= p.text[end] && p.text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(p.text[p.pos:end], 10, 64)
	if err != nil {
		return 0, p.fault("want a number below 2^64")
	}
	p.pos = end
	return n, nil
}

// names reads one name or more.
func (p *strategyParser) names() (names []string, err error) {
	for {
		start := p.pos
		if quoted, err := strconv.QuotedPrefix(p.text[p.pos:]); err == nil && quoted[0] == '"' {
			p.pos += len(quoted)
			name, _ := strconv.Unquote(quoted)
			names = append(names, name)
		} else {
			for p.pos < len(p.text) && isBare(p.text[p.pos]) {
				p.pos++
			}
			if p.pos == start {
				return nil, p.fault("want a name")
			}
			names = append(names, p.text[start:p.pos])
		}
		if !p.has(", ") {
			return names, nil
		}
	}
}

// isBare reports whether a name may have the byte without needing quotes.
func isBare(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._-/:", c) >= 0
}

// printNames prints a list of names, those quoted in which something could be taken for the rest of the text.
func printNames(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = name
		bare := name != ""
		for j := range len(name) {
			bare = bare && isBare(name[j])
		}
		if !bare {
			out[i] = strconv.Quote(name)
		}
	}
	return strings.Join(out, ", ")
}
