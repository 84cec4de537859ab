package placement

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
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

// ParseStrategy reads a strategy as it prints, with the zero [Reader]: terms of this package only, without [Prefer]. The error is a
// [*berth.SyntaxError], which says where.
//
// These are whole strategies:
//
//	first-fit    random(1)    binpack    binpack(cpu, gpu)    spread()    spread(zone)    fgd    room-loss    priced-gaps
//
// Any other is a list of terms with weights, and of tiers with ", then" between them. What a constructor made prints as its text:
//
//	3 in-use(cpu) + balanced-allocation(cpu, memory), then -1 tasks(zone)
//	gpu-packing(gpu)    gpu-clustering(gpu)
//
// A name of a resource that no node has is no fault.
func ParseStrategy(text string) (Strategy, error) { return Reader{}.Strategy(text) }

// Strategy reads a strategy as it prints, and returns one that prints alike and places alike. Space between words may be more or less
// than in print. The error is a [*berth.SyntaxError], for a strategy that is at fault too. It takes time in proportion to the text.
func (r Reader) Strategy(text string) (Strategy, error) {
	p := parser{Scanner: lex.Scanner{Reader: "placement", Text: text}, with: r}
	s, err := p.strategy()
	if err != nil {
		return Strategy{}, err
	}
	return s, nil
}

// words are those that have a meaning in texts of strategies, which terms of hosts are in quotes for.
var words = []string{"any", "between", "binpack", "fgd", "first", "gpu-clustering", "gpu-packing", "in-use", "models", "over", "prefer", "preferences", "priced-gaps", "random", "room-loss",
	"seed", "spread",
	"targets", "tasks", "then", "ties", "within"}

func printNames(names []string) string {
	each := make([]string, len(names))
	for i, n := range names {
		each[i] = lex.PrintName(n)
	}
	return strings.Join(each, ", ")
}

// printOwn prints the name of a host's term.
func printOwn(name string) string {
	if name == "" || slices.Contains(words, name) || formulaOf(name) != nil || !lex.IsLetter(name[0]) {
		return strconv.Quote(name)
	}
	return lex.PrintName(name)
}

type parser struct {
	lex.Scanner
	with Reader
}

// at passes over a sign, and reports whether it was there.
func (p *parser) at(sign byte) bool {
	p.Space()
	if p.Pos == len(p.Text) || p.Text[p.Pos] != sign {
		return false
	}
	p.Pos++
	return true
}

func (p *parser) want(sign byte) error {
	if !p.at(sign) {
		return p.FaultAt(p.Pos, "want %q", string(sign))
	}
	return nil
}

// word reads what needs no quotes, after spaces.
func (p *parser) word() string {
	p.Space()
	return p.Word()
}

// says passes over a word, and reports whether it was there.
func (p *parser) says(word string) bool {
	before := p.Pos
	if p.word() == word {
		return true
	}
	p.Pos = before
	return false
}

func (p *parser) wantWord(word string) error {
	if p.Space(); !p.says(word) {
		return p.FaultAt(p.Pos, "want %q", word)
	}
	return nil
}

// name reads a name, after spaces, and says whether it was in quotes.
func (p *parser) name() (name string, quoted bool, err error) {
	p.Space()
	quoted = p.Peek() == '"'
	name, err = p.Name()
	return name, quoted, err
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
	p.Space()
	start := p.Pos
	n, err := strconv.ParseInt(p.word(), 10, 64)
	if err != nil {
		return 0, p.FaultAt(start, "want a whole number")
	}
	return n, nil
}

func (p *parser) unsigned() (uint64, error) {
	p.Space()
	start := p.Pos
	n, err := strconv.ParseUint(p.word(), 10, 64)
	if err != nil {
		return 0, p.FaultAt(start, "want a whole number of no sign")
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
	more := p.at(';')
	if more && p.says("best") {
		p.Space()
		if err := p.wantWord("of"); err != nil {
			return s, err
		}
		p.Space()
		start := p.Pos
		n, err := p.integer()
		if err != nil {
			return s, err
		}
		if n < 1 || n > MostSampled {
			return s, p.FaultAt(start, "best of %d: not within 1 to %d", n, MostSampled)
		}
		s, more = s.BestOf(int(n)), p.at(';')
	}
	if more {
		p.Space()
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
			return s, p.FaultAt(p.Pos, `want "ties by id" or a seed`)
		}
	}
	if p.Space(); p.Pos < len(p.Text) {
		return s, p.FaultAt(p.Pos, "the strategy has ended")
	}
	return s, nil
}

// named reads a strategy that prints as a name, or none.
func (p *parser) named() (s Strategy, err error) {
	p.Space()
	start := p.Pos
	switch {
	case p.says("binpack"):
		var names []string
		if p.Space(); strings.HasPrefix(p.Text[p.Pos:], "(") {
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
	case p.says("first-fit"):
		s = FirstFit()
	case p.says("first"):
		err = p.wantWord("fit")
		s = FirstFit()
	default:
		return p.namedGaps()
	}
	if err != nil {
		return s, err
	}
	if err := s.Err(); err != nil {
		return s, p.FaultAt(start, "%w", err)
	}
	return p.within(s)
}

// within reads the tolerance of the last tier, if there is one.
func (p *parser) within(s Strategy) (Strategy, error) {
	if !p.says("within") {
		return s, nil
	}
	p.Space()
	start := p.Pos
	n, err := p.integer()
	if err == nil && n < 0 {
		err = p.FaultAt(start, "a tolerance of %d is less than none", n)
	}
	return s.Within(n), err
}

// sums reads tiers of terms.
func (p *parser) sums() (s Strategy, err error) {
	for {
		p.Space()
		start := p.Pos
		var terms []Term
		for more := !p.says("any"); more; more = p.at('+') {
			t, err := p.term()
			if err != nil {
				return s, err
			}
			terms = append(terms, t)
		}
		if err := Best(terms...).Err(); err != nil {
			return s, p.FaultAt(start, "%w", err)
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
	p.Space()
	weight := int64(1)
	if p.Pos < len(p.Text) && (lex.IsDigit(p.Text[p.Pos]) || p.Text[p.Pos] == '-') {
		n, err := p.integer()
		if err != nil {
			return Term{}, err
		}
		weight = n
	}
	p.Space()
	start := p.Pos
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
		return t, p.FaultAt(start, "%w", err)
	}
	return t, nil
}

// rating reads a term without its weight and range.
func (p *parser) rating() (Term, error) {
	start := p.Pos
	name, quoted, err := p.name()
	if err != nil {
		return Term{}, err
	}
	if !quoted {
		switch name {
		case "fgd", "room-loss", "priced-gaps":
			policy, err := p.gapPolicy(gapKind(slices.Index(gapNames, name)))
			return policy.term(), err
		case "preferences":
			return Preferences(), nil
		case "models":
			return Models(), nil
		case "in-use":
			names, err := p.list()
			return InUse(names...), err
		case "tasks":
			return p.tasks()
		case "targets":
			return p.targets()
		case "prefer":
			return p.prefer()
		case "gpu-clustering", "gpu-packing":
			if err := p.want('('); err != nil {
				return Term{}, err
			}
			class, _, err := p.name()
			if err != nil {
				return Term{}, err
			}
			of := GpuPacking
			if name == "gpu-clustering" {
				of = GpuClustering
			}
			return of(class), p.want(')')
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
	if f := formulaOf(name); f != nil && !quoted {
		return p.formula(f)
	}
	for _, t := range p.with.Terms {
		if t.isOwn() && t.name == name {
			return t, nil
		}
	}
	return Term{}, p.FaultAt(start, "no term is named %q; a host's own are read by a Reader that has them", name)
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
	p.Space()
	if p.Peek() != '(' {
		return Term{}, p.Fault("want %q", "(")
	}
	start := p.Pos + 1
	if err := p.SkipPair(); err != nil {
		return Term{}, err
	}
	if p.with.Rules == nil {
		return Term{}, p.FaultAt(start, "prefer: rules are read by a Reader that has Rules, such as constraints.Parse")
	}
	rule, err := p.with.Rules(p.Text[start : p.Pos-1])
	var fault *berth.SyntaxError
	if errors.As(err, &fault) {
		return Term{}, p.FaultAt(start+fault.Offset, "prefer: %w", fault.Err)
	}
	if err != nil {
		return Term{}, p.FaultAt(start, "prefer: %w", err)
	}
	return Prefer(rule), nil
}
