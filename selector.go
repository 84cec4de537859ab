package berth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
	"unique"
)

// Selector chooses tasks by the group they are of: by its labels, its role or its name, whichever tenant or revision it
// is. Rules that count or meet tasks take one. It is made with [Label], [HasLabel], [InRole], [InGroup] and [AnyTask], and
// of others with And, Or and Not:
//
//	berth.Label("app", "web").And(berth.Label("env", "test").Not())
//
// The zero Selector is none of these: to a rule it means the tasks of the group that has the rule. It stands alone, and
// combined with others it is a fault.
//
// Selectors that choose alike by the laws of and, or and not (order, doubles, nesting, double negation, De Morgan) are
// equal: they compare with ==, serve as keys of maps and print alike. A faulty one keeps its faults for Err, which whoever
// takes it asks, and chooses nothing.
type Selector struct {
	of     selection
	faults string // a line each, so that selectors stay comparable
}

// selection is a handle of an expression. Equal expressions have equal handles, however deep they are.
type selection struct{ handle unique.Handle[expression] }

// expression is one node of a selector in its normal form: no not but at the leaves, and below an and or an or its parts in
// order, each once, as a list.
type expression struct {
	op     selectorOp
	key    string    // the label, role or group
	values string    // of a label: sorted, with a NUL between them
	part   selection // of and, or: the first part
	rest   selection // and the others, as an expression of the same op if they are many
}

type selectorOp uint8

const (
	selectAny selectorOp = iota + 1
	selectNone
	selectIn
	selectNotIn
	selectExists
	selectNotExists
	selectRole
	selectNotRole
	selectGroup
	selectNotGroup
	selectAnd
	selectOr
)

// negated is the op that chooses what another does not.
var negated = [...]selectorOp{
	selectAny: selectNone, selectNone: selectAny, selectIn: selectNotIn, selectNotIn: selectIn,
	selectExists: selectNotExists, selectNotExists: selectExists, selectRole: selectNotRole, selectNotRole: selectRole,
	selectGroup: selectNotGroup, selectNotGroup: selectGroup, selectAnd: selectOr, selectOr: selectAnd,
}

func (e expression) selection() selection { return selection{unique.Make(e)} }

func (s selection) value() expression { return s.handle.Value() }

// Label selects the tasks of groups whose label of that key has one of the values, of which there must be at least one. Its
// Not selects those that have another value or no such label.
func Label(key string, values ...string) Selector {
	s := Selector{faults: faultOf(checkName("label", key))}
	if len(values) == 0 {
		s.faults += fmt.Sprintf("label %q: no values\n", key)
	}
	for _, v := range values {
		s.faults += faultOf(checkLabelValue(key, v))
	}
	values = slices.Clone(values)
	slices.Sort(values)
	s.of = expression{op: selectIn, key: key, values: strings.Join(slices.Compact(values), "\x00")}.selection()
	return s
}

// HasLabel selects the tasks of groups that have a label of that key, whatever its value.
func HasLabel(key string) Selector {
	return Selector{expression{op: selectExists, key: key}.selection(), faultOf(checkName("label", key))}
}

// InRole selects the tasks that are charged to a role or to one below it. That of the root role selects all tasks.
func InRole(r Role) Selector {
	if r == "" {
		return AnyTask()
	}
	return Selector{expression{op: selectRole, key: string(r)}.selection(), faultOf(r.Err())}
}

// InGroup selects the tasks of the group of that name.
func InGroup(name string) Selector {
	return Selector{expression{op: selectGroup, key: name}.selection(), faultOf(checkName("group", name))}
}

// AnyTask selects all tasks.
func AnyTask() Selector { return Selector{of: expression{op: selectAny}.selection()} }

func faultOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error() + "\n"
}

// checkLabelValue says what is wrong with the value of a label. It may be empty.
func checkLabelValue(key, value string) error {
	switch {
	case !utf8.ValidString(value):
		return fmt.Errorf("label %q: value %q: not UTF-8", key, value)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("label %q: value %q: control character", key, value)
	}
	return nil
}

// And selects what s and all of the others select. It costs as much as the parts are in number, so many are best given
// at once.
func (s Selector) And(others ...Selector) Selector { return s.combine(selectAnd, others) }

// Or selects what s or any of the others selects. It costs as much as And.
func (s Selector) Or(others ...Selector) Selector { return s.combine(selectOr, others) }

// Not selects what s does not.
func (s Selector) Not() Selector {
	if s.IsOwn() {
		return Selector{expression{op: selectNone}.selection(), ownCombined}
	}
	return Selector{s.of.not(), s.faults}
}

const ownCombined = "selector own: the tasks of the group itself are selected alone\n"

// IsOwn reports whether s is the zero Selector, which means the tasks of the group that has the rule.
func (s Selector) IsOwn() bool { return s == Selector{} }

func (s Selector) combine(op selectorOp, others []Selector) Selector {
	var parts []selection
	var faults []string
	zero, all := selectNone, selectAny // what makes the whole so, and what adds nothing
	if op == selectOr {
		zero, all = selectAny, selectNone
	}
	for _, o := range append([]Selector{s}, others...) {
		if o.IsOwn() {
			faults = append(faults, ownCombined)
			continue
		}
		for fault := range strings.Lines(o.faults) {
			faults = append(faults, fault)
		}
		for part := range o.of.parts(op) {
			if part.value().op != all {
				parts = append(parts, part)
			}
		}
	}
	slices.Sort(faults)
	out := Selector{faults: strings.Join(slices.Compact(faults), "")}
	slices.SortFunc(parts, selection.compare)
	parts = slices.Compact(parts)
	switch {
	case len(parts) == 0:
		out.of = expression{op: all}.selection()
	case slices.ContainsFunc(parts, func(p selection) bool { return p.value().op == zero }):
		out.of = expression{op: zero}.selection()
	default:
		out.of = chain(op, parts)
	}
	return out
}

// chain makes the parts of an and or an or one.
func chain(op selectorOp, parts []selection) selection {
	last := len(parts) - 1
	all := parts[last]
	for i := last - 1; i >= 0; i-- {
		all = expression{op: op, part: parts[i], rest: all}.selection()
	}
	return all
}

// parts yields what is combined by an op: the selection itself if it is of another.
func (s selection) parts(op selectorOp) func(yield func(selection) bool) {
	return func(yield func(selection) bool) {
		for {
			e := s.value()
			if e.op != op {
				yield(s)
				return
			}
			if !yield(e.part) {
				return
			}
			s = e.rest
		}
	}
}

func (s selection) not() selection {
	e := s.value()
	op := e.op
	e.op = negated[op]
	if op != selectAnd && op != selectOr {
		return e.selection()
	}
	var parts []selection
	for part := range s.parts(op) {
		parts = append(parts, part.not())
	}
	slices.SortFunc(parts, selection.compare)
	return chain(e.op, parts)
}

// compare orders selections: first by what they are about, so that texts read well.
func (s selection) compare(o selection) int {
	for s != o {
		a, b := s.value(), o.value()
		if c := cmp.Or(cmp.Compare(a.op, b.op), cmp.Compare(a.key, b.key), cmp.Compare(a.values, b.values)); c != 0 {
			return c
		}
		if a.part != b.part {
			return a.part.compare(b.part)
		}
		s, o = a.rest, b.rest
	}
	return 0
}

// Matches reports whether the tasks of a group are selected: never if s or the group is at fault, and never if s is the
// zero Selector, for it is not said whose group is meant. It costs as much as s has parts.
func (s Selector) Matches(g *Group) bool {
	return !s.IsOwn() && s.faults == "" && g.Err() == nil && s.of.matches(g)
}

func (s selection) matches(g *Group) bool {
	for {
		e := s.value()
		switch e.op {
		case selectAny:
			return true
		case selectIn, selectNotIn:
			v, ok := g.spec.Labels[e.key]
			return (ok && e.lists(v)) == (e.op == selectIn)
		case selectExists, selectNotExists:
			_, ok := g.spec.Labels[e.key]
			return ok == (e.op == selectExists)
		case selectRole, selectNotRole:
			return g.spec.Role.Within(Role(e.key)) == (e.op == selectRole)
		case selectGroup, selectNotGroup:
			return (g.name == e.key) == (e.op == selectGroup)
		case selectAnd, selectOr:
			if e.part.matches(g) == (e.op == selectOr) {
				return e.op == selectOr
			}
			s = e.rest
		default:
			return false
		}
	}
}

// lists reports whether a value is one of the expression's.
func (e *expression) lists(value string) bool {
	for v := range strings.SplitSeq(e.values, "\x00") {
		if v == value {
			return true
		}
	}
	return false
}

// Group returns the name of the group that s selects, if s is [InGroup] of one and nothing else.
func (s Selector) Group() (name string, ok bool) {
	if s.IsOwn() || s.faults != "" {
		return "", false
	}
	e := s.of.value()
	if e.op != selectGroup {
		return "", false
	}
	return e.key, true
}

// Needs returns labels, key and value, of which a group has at least one if s selects it, so that whoever keeps many
// selectors need not ask all of them about a group. It returns false if s may select groups without any in particular.
func (s Selector) Needs() (labels [][2]string, ok bool) {
	if s.IsOwn() || s.faults != "" {
		return nil, false
	}
	return s.of.needs()
}

func (s selection) needs() (labels [][2]string, ok bool) {
	switch e := s.value(); e.op {
	case selectNone:
		return nil, true
	case selectIn:
		for v := range strings.SplitSeq(e.values, "\x00") {
			labels = append(labels, [2]string{e.key, v})
		}
		return labels, true
	case selectAnd: // the part that asks for the fewest
		for part := range s.parts(selectAnd) {
			if some, all := part.needs(); all && (!ok || len(some) < len(labels)) {
				labels, ok = some, true
			}
		}
		return labels, ok
	case selectOr:
		for part := range s.parts(selectOr) {
			some, all := part.needs()
			if !all {
				return nil, false
			}
			labels = append(labels, some...)
		}
		return labels, true
	}
	return nil, false
}

// Err returns every fault of the selector joined into one error, or nil.
func (s Selector) Err() error {
	var errs []error
	for fault := range strings.Lines(s.faults) {
		errs = append(errs, errors.New(strings.TrimSuffix(fault, "\n")))
	}
	return errors.Join(errs...)
}

// String prints the selector in the form that [ParseSelector] reads: app = "web", app != "web", app in ("api", "web"),
// exists(app), in-role(shop), in-group(web), any, and parts with and, or and parentheses. The zero Selector prints own.
func (s Selector) String() string {
	if s.of == (selection{}) {
		return "own"
	}
	var b strings.Builder
	s.of.write(&b, false)
	return b.String()
}

func (s selection) write(b *strings.Builder, within bool) {
	e := s.value()
	name := printWord(e.key)
	switch e.op {
	case selectAny:
		b.WriteString("any")
	case selectNone:
		b.WriteString("none")
	case selectIn, selectNotIn:
		first, more, many := strings.Cut(e.values, "\x00")
		op := [2][2]string{{" = ", " in "}, {" != ", " not in "}}[e.op-selectIn]
		if !many {
			b.WriteString(name + op[0] + strconv.Quote(first))
			return
		}
		b.WriteString(name + op[1] + "(" + strconv.Quote(first))
		for v := range strings.SplitSeq(more, "\x00") {
			b.WriteString(", " + strconv.Quote(v))
		}
		b.WriteByte(')')
	case selectExists:
		b.WriteString("exists(" + name + ")")
	case selectNotExists:
		b.WriteString("not exists(" + name + ")")
	case selectRole:
		b.WriteString("in-role(" + name + ")")
	case selectNotRole:
		b.WriteString("not in-role(" + name + ")")
	case selectGroup:
		b.WriteString("in-group(" + name + ")")
	case selectNotGroup:
		b.WriteString("not in-group(" + name + ")")
	case selectAnd, selectOr:
		if within {
			b.WriteByte('(')
		}
		between := ""
		for part := range s.parts(e.op) {
			b.WriteString(between)
			part.write(b, true)
			between = " and "
			if e.op == selectOr {
				between = " or "
			}
		}
		if within {
			b.WriteByte(')')
		}
	}
}

// selectorWords are what cannot be the name of a label without quotes.
var selectorWords = []string{"and", "or", "not", "in", "any", "none", "own", "exists", "in-role", "in-group"}

// printWord prints a name bare where it reads as one, and else quoted.
func printWord(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isWord(r) }) || slices.Contains(selectorWords, name) {
		return strconv.Quote(name)
	}
	return name
}

// isWord reports whether a rune may stand in a name without quotes.
func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-/:", r)
}
