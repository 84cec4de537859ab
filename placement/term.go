package placement

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/lex"
)

// Term is one part of a score: a number that rates a node for a task, higher being better. A Term is a value, and the function
// that makes it is its declaration of what it reads:
//
//	Class        the description of the node
//	Tasks        how many of the group's tasks the node's domain has
//	Targets      the same, in proportion to the part that the domain is to have
//	Additive     an amount that depends on what is free, plus one that depends on what is asked for
//	OfAmounts    what is free on the node, its capacity and what is asked for
//	OfState      what is free on the node and of its devices before and after, and its description
//	Models       whether the devices are of models that the group prefers
//	Preferences  what the group prefers
//	Prefer       whether a rule holds
//	Func         anything
//
// A term that does not keep to its declaration makes an [Engine] choose otherwise than [Exhaustive]; comparing the two in a
// test shows it. Functions of terms may be called any number of times, by several goroutines at once, must answer alike for
// alike, must not keep or change what they are given, and must not call a source. If one panics, that is the panic of
// the call of the [Picker].
//
// What a term says is clamped to its range, which is -2^44 to 2^44 unless [Term.Between] declares another. The zero Term
// is at fault.
type Term struct {
	kind   kind
	name   string
	weight int64
	lo, hi int64
	random bool // whether it is the one of Random
	ours   bool // of OfState and Func, whether it is one of this package that rates from 0 to 100

	attributes []string // of Tasks the one that is counted by, of Func those counted by, of others those read
	missing    int64    // of Tasks
	targets    *targets // of Targets, which else is as Tasks
	resources  []string // of Additive and OfAmounts, those the slices have; nil for all
	rule       berth.Constraint
	own        berth.DomainRule   // the rule, if it is about how many of the group's own tasks domains have
	counted    *berth.CountedRule // or about tasks that it chooses: what it says of them, whatever the group

	ofClass     func(*berth.Node) int64
	ofNode      func(free, capacity []int64) int64
	ofRequest   func(request, capacity []int64) int64
	ofAmounts   func(free, capacity, request []int64) int64
	formula     *formula // of OfAmounts, if it is one of this package
	parameters           // of the formula
	ofState     func(before, after *State) int64
	gaps        *gapPolicy               // of a Change of this package, which worth is then nil for
	worth       func(s *State) int64     // of Change, which ofState is then nil for
	through     func(change int64) int64 // of Change; nil if it says the change as it is
	ofCandidate func(*Candidate) int64

	faults error
}

type kind uint8

const (
	noKind kind = iota
	classTerm
	tasksTerm
	inUseTerm
	additiveTerm
	amountsTerm
	stateTerm
	modelsTerm
	preferencesTerm
	ruleTerm
	freeTerm
)

// farthest is how far from zero a term may be unless it declares otherwise.
const farthest = 1 << 44

func newTerm(k kind, name string) Term {
	return Term{kind: k, name: name, weight: 1, lo: -farthest, hi: farthest}
}

func (t Term) fault(format string, args ...any) Term {
	t.faults = errors.Join(t.faults, fmt.Errorf("placement: term %q: "+format, append([]any{t.name}, args...)...))
	return t
}

// Class rates a node by its description: its capacity, taints and devices, and the attributes that [Term.Reads] names,
// which are the ones that may be looked at. It is asked once for all nodes alike in these.
func Class(name string, rate func(n *berth.Node) int64) Term {
	t := newTerm(classTerm, name)
	if t.ofClass = rate; rate == nil {
		return t.fault("no function")
	}
	return t
}

// MostTasks is the number of tasks in a domain beyond which [Tasks] does not tell them apart.
const MostTasks = 1<<20 - 1

// Tasks is how many of the group's tasks the node's domain under an attribute has, [MostTasks] at most; with
// [berth.NodeID] how many the node has. The domain of a node without the attribute counts as MostTasks, unless
// [Term.Missing] says otherwise. With a weight below zero it spreads, with one above zero it gathers.
func Tasks(attribute string) Term {
	t := newTerm(tasksTerm, "tasks("+lex.PrintName(attribute)+")")
	t.attributes, t.missing = []string{attribute}, MostTasks
	t.lo, t.hi = 0, MostTasks
	if attribute == "" {
		return t.fault("no attribute")
	}
	return t
}

// Missing returns the Tasks term with another number for nodes without the attribute.
func (t Term) Missing(n int64) Term {
	if t.kind != tasksTerm || t.targets != nil {
		return t.fault("missing: only Tasks has it")
	}
	t.missing = n
	t.name = "tasks(" + lex.PrintName(t.attributes[0]) + ")"
	if n != MostTasks {
		t.name = fmt.Sprintf("tasks(%s, missing %d)", lex.PrintName(t.attributes[0]), n)
	}
	return t
}

// InUse is the mean, over the named resources that the node has, of the part in use once the task is there, from 0 to
// [Resolution]; over all resources if none is named. A device class is a resource by its units. The parts of what is in
// use and of the request are rounded down apart, so that it is additive.
func InUse(resources ...string) Term {
	t := newTerm(inUseTerm, "in-use("+printNames(resources)+")")
	t.lo, t.hi = 0, Resolution
	t.resources = slices.Clone(resources)
	return t.checkNames("resource", resources)
}

// Additive rates a node by an amount that depends on what it has, whatever is asked for, plus one that depends on the
// request and the node's capacity. Each is clamped to the range. The slices are indexed alike, by the resources that
// [Term.Over] names; unless it does they have all resources in an order of berth's own, so that only what treats all alike can
// do without. A resource that a node does not have has a capacity of zero.
//
// One order of the nodes serves every request where all that tells nodes of a class apart is additive, in one tier.
func Additive(name string, node func(free, capacity []int64) int64, request func(request, capacity []int64) int64) Term {
	t := newTerm(additiveTerm, name)
	if t.ofNode, t.ofRequest = node, request; node == nil || request == nil {
		return t.fault("no function")
	}
	return t
}

// Over returns the InUse, Additive or OfAmounts term over the named resources, in this order. A formula of this package counts each
// alike again, and over none it is over those that it is over by default.
func (t Term) Over(resources ...string) Term {
	switch {
	case t.gaps != nil:
		p := *t.gaps
		if p.over = ""; len(resources) == 1 {
			p.over = resources[0]
		}
		o := p.term()
		o.weight, o.lo, o.hi, o.faults = t.weight, t.lo, t.hi, t.faults
		if len(resources) > 1 {
			return o.fault("over %s: room is kept of one", printNames(resources))
		}
		return o.checkNames("resource", resources)
	case t.kind == inUseTerm:
		o := InUse(resources...)
		o.weight, o.lo, o.hi, o.faults = t.weight, t.lo, t.hi, errors.Join(t.faults, o.faults)
		return o
	case t.formula != nil:
		return t.overFormula(resources)
	case t.kind != additiveTerm && t.kind != amountsTerm:
		return t.fault("over: only InUse, Additive and OfAmounts have resources")
	}
	t.resources = slices.Clone(resources)
	return t.checkNames("resource", resources)
}

// OfState rates what placing a task makes of a node, by what is free before and after and by the node's description. It
// does not know which node it is: nodes of equal state are rated alike. [Term.Reads] names the attributes it looks at.
func OfState(name string, rate func(before, after *State) int64) Term {
	t := newTerm(stateTerm, name)
	if t.ofState = rate; rate == nil {
		return t.fault("no function")
	}
	return t
}

// Change rates a placement by what it adds to the worth of the node's state: the worth after less the worth before. It is
// the OfState term of that difference, and costs less: what a state is worth before placing is asked once, whatever is asked for.
func Change(name string, worth func(s *State) int64) Term {
	t := newTerm(stateTerm, name)
	if t.worth = worth; worth == nil {
		return t.fault("no function")
	}
	return t
}

// Through returns the Change term with what it adds to the worth put through a function, such as one that rounds it. The function is
// called for each rating, before the range of [Term.Between] applies, and must return the same for the same. A nil one, and a term that
// [Change] did not make, are faults of the term.
func (t Term) Through(f func(change int64) int64) Term {
	switch {
	case t.kind != stateTerm || t.ofState != nil || t.gaps != nil:
		return t.fault("through: only Change has it")
	case f == nil:
		return t.fault("through: no function")
	}
	t.through = f
	return t
}

// Func rates a candidate by anything there is to see. It is asked about every node that can take the task, for every
// task. [Term.Counts] names the attributes whose tasks it wants to see.
func Func(name string, rate func(c *Candidate) int64) Term {
	t := newTerm(freeTerm, name)
	if t.ofCandidate = rate; rate == nil {
		return t.fault("no function")
	}
	return t
}

// Preferences is the sum of the weights of the group's preferences that hold at the node, less one for each taint there that
// merely discourages and is not tolerated. A strategy that does not mention it begins with a tier of it.
func Preferences() Term {
	t := newTerm(preferencesTerm, "preferences")
	t.lo, t.hi = -manyPreferences*berth.MaxWeight, manyPreferences*berth.MaxWeight
	return t
}

// Models is the sum, over the devices that a task would get on the node, of the weights that its requests' Prefer gives their
// models: it makes the tasks go to nodes with devices of preferred models. A strategy that does not mention it chooses by Prefer
// among the devices of a node, but not between nodes. A group that prefers no model is placed as if it were not there.
func Models() Term {
	t := newTerm(modelsTerm, "models")
	t.lo, t.hi = -manyDevices*berth.MaxWeight, manyDevices*berth.MaxWeight
	return t
}

// manyDevices is more than a task gets.
const manyDevices = 1 << 24

// manyPreferences is more than a group has.
const manyPreferences = 1 << 30

// Prefer is 1 where a rule holds and 0 where it does not: the soft form of the rule, for all groups. It is one about a
// node's attributes, about the tasks in its domain, or both, as [berth.Preference] has it. Tasks that a selector chooses are
// counted once a plan, at the cost of as many as there are, unless a group has the rule too.
func Prefer(rule berth.Constraint) Term {
	t := newTerm(ruleTerm, "prefer")
	if faults.IsNil(rule) {
		return t.fault("no rule")
	}
	t.name, t.rule, t.lo, t.hi = "prefer("+rule.String()+")", rule, 0, 1
	if err := rule.Err(); err != nil {
		t.faults = errors.Join(t.faults, fmt.Errorf("placement: term %q: %w", t.name, err))
	}
	_, ofNode := rule.(berth.NodeRule)
	if r, ok := rule.(berth.DomainRule); ok && rule.Err() == nil {
		c := r.Counts()
		if err := c.Err(); err != nil {
			return t.fault("%w", err)
		}
		if c == (berth.Counting{Even: c.Even}) {
			t.own = r
		} else {
			t.counted = &berth.CountedRule{Attribute: r.Domain(), Counting: c, Text: rule.String()}
			if c.Relation == berth.AtMost {
				t.counted.Limit = r
			}
		}
	}
	if _, ofDomains := rule.(berth.DomainRule); !ofNode && !ofDomains {
		return t.fault("neither a rule about a node's attributes nor about the tasks in domains")
	}
	return t
}

// countsTasks reports whether it is the term of a rule about the tasks in domains.
func (t *Term) countsTasks() bool { return t.own != nil || t.counted != nil }

// Reads returns the Class or OfState term, which looks at these attributes of a node too, and at no others.
func (t Term) Reads(attributes ...string) Term {
	if t.kind != classTerm && t.kind != stateTerm || t.gaps != nil {
		return t.fault("reads: only Class and OfState have it")
	}
	t.attributes = slices.Clone(attributes)
	return t.checkNames("attribute", attributes)
}

// Counts returns the Func term with the attributes by which [Candidate.Tasks] counts the group's tasks.
func (t Term) Counts(attributes ...string) Term {
	if t.kind != freeTerm {
		return t.fault("counts: only Func has it")
	}
	t.attributes = slices.Clone(attributes)
	return t.checkNames("attribute", attributes)
}

func (t Term) checkNames(of string, names []string) Term {
	for i, n := range names {
		if n == "" || slices.Contains(names[:i], n) {
			t = t.fault("%s %q is empty or given twice", of, n)
		}
	}
	return t
}

// Times returns the term with its weight multiplied. A weight may be zero or below.
func (t Term) Times(weight int64) Term {
	hi, lo := bits.Mul64(size(t.weight), size(weight))
	if hi > 0 || lo > math.MaxInt64 {
		return t.fault("a weight of %d times %d", t.weight, weight)
	}
	t.weight *= weight
	return t
}

// Between returns the term with another range: what it says is clamped to it. The ranges of [Preferences] and [Models] cannot be changed.
func (t Term) Between(lo, hi int64) Term {
	switch {
	case t.kind == preferencesTerm || t.kind == modelsTerm:
		return t.fault("between: not of %s", t.name)
	case lo > hi:
		return t.fault("between %d and %d there is nothing", lo, hi)
	}
	t.lo, t.hi = lo, hi
	return t
}

// clamp returns what the term says within its range.
func (t *Term) clamp(v int64) int64 { return min(max(v, t.lo), t.hi) }

// reach returns how far from zero the term can be, its weight aside.
func (t *Term) reach() uint64 {
	far := max(size(t.lo), size(t.hi))
	if t.kind == additiveTerm || t.kind == inUseTerm {
		return saturate(bits.Mul64(far, 2)) // each part of it
	}
	return far
}

// isAdditive reports whether the term is an amount of the node plus one of the request.
func (t *Term) isAdditive() bool { return t.kind == additiveTerm || t.kind == inUseTerm }

func size(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

func saturate(hi, lo uint64) uint64 {
	if hi > 0 {
		return math.MaxUint64
	}
	return lo
}

// Err returns every fault of the term joined into one error, or nil.
func (t Term) Err() error {
	if t.kind == noKind {
		return errors.New("placement: term: not made by any of its functions")
	}
	return t.faults
}

// isChange reports whether the term rates what a placement adds to the worth of a state.
func (t *Term) isChange() bool { return t.worth != nil || t.gaps != nil }

// isOwn reports whether the term is a host's own.
func (t *Term) isOwn() bool {
	if t.gaps != nil {
		return false
	}
	switch t.kind {
	case classTerm, additiveTerm:
		return true
	case stateTerm:
		return !t.ours
	case amountsTerm:
		return t.formula == nil
	}
	return t.kind == freeTerm && !t.random && !t.ours
}

// usual returns the range of the term if it declares no other.
func (t *Term) usual() (lo, hi int64) {
	if t.gaps != nil {
		if t.gaps.kind == leastFragments {
			return 0, 100
		}
		return -mostGap, mostGap
	}
	switch t.kind {
	case tasksTerm:
		if t.targets != nil {
			return farFromTarget, 0
		}
		return 0, MostTasks
	case inUseTerm:
		return 0, Resolution
	case stateTerm, freeTerm:
		if t.ours {
			return 0, 100
		}
	case amountsTerm:
		if t.formula != nil {
			return t.formula.lo, t.formula.hi
		}
	case ruleTerm:
		return 0, 1
	case preferencesTerm, modelsTerm:
		return t.lo, t.hi
	}
	if t.random {
		return 0, 1 << 62
	}
	return -farthest, farthest
}

// String prints the term: its weight first if that is not 1, and its range if it declares one: "7 in-use(cpu)". The name of a
// host's own is in quotes where it would be read as something else.
func (t Term) String() string {
	var b strings.Builder
	if t.weight != 1 || t.kind == noKind {
		b.WriteString(strconv.FormatInt(t.weight, 10) + " ")
	}
	if t.isOwn() {
		b.WriteString(printOwn(t.name))
	} else {
		b.WriteString(t.name)
	}
	if lo, hi := t.usual(); t.kind != noKind && (t.lo != lo || t.hi != hi) {
		fmt.Fprintf(&b, " between %d and %d", t.lo, t.hi)
	}
	return b.String()
}
