package placement

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

// Strategy says which of the nodes that can take a task is the best: the one with the highest score,
// and among equals the one with the lowest ID. A Strategy is immutable and may be used by many
// goroutines; Score may be called for any candidate any number of times, from several goroutines at once with a
// candidate each, also within one call of a Picker, and must answer alike for alike, in whatever Depends
// declares. A panic of Score is the panic of the call of the Picker. A source may be locked meanwhile, so Score
// must not call one.
//
// A strategy that declares nothing always works: it is asked about every node for every task. What it
// declares lets berth ask less often; the package comment says what each declaration buys.
type Strategy interface {
	// String prints the strategy as it would be written.
	String() string
	// Err returns what is wrong with how the strategy was made, or nil.
	Err() error
	// Depends declares what Score looks at.
	Depends() Dependence
	// Score rates a candidate that can take the task. It must not keep c or anything of it.
	Score(c *Candidate) int64
}

// Dependence declares what a strategy's score looks at. The zero value declares nothing.
type Dependence struct {
	// Shape declares that Score looks at nothing but the candidate's Request, Free and Capacity and, where
	// Domains names attributes, at Tasks. Without Domains the nodes are then ranked once for each
	// request and the ranking is kept: a task costs as much as the nodes that changed since the last of its
	// kind, each the logarithm of their number, where a strategy without declarations is asked about all.
	Shape bool
	// Domains names attributes: the candidate's Tasks are the numbers of the group's tasks in the
	// node's domains under them, in this order.
	Domains []string
	// Fewest declares that Score goes by Tasks first, the fewest under the first attribute, then under
	// the second and so on, where more than [MostTasks] and a missing attribute count as MostTasks.
	Fewest bool
	// Additive declares that the score, among candidates of equal Tasks, goes by Additive.Node of the
	// node plus Additive.Group of the capacity and the request: see [Additive].
	Additive Additive
}

// MostTasks is the number of tasks in a domain beyond which [Dependence.Fewest] does not tell them apart.
const MostTasks = 1<<20 - 1

// Additive is a score in two parts: how good the node is as it is, whatever the request, and a term
// that depends on the node's capacity and the request only. Nodes of equal capacity are then in one
// order for every request, which is the cheapest order to keep. Both terms must stay within 2^61 of zero, and what
// is said of Score holds for both.
type Additive interface {
	// Node rates a node by its free amounts and capacity.
	Node(free, capacity []int64) int64
	// Group rates a request on a node of that capacity.
	Group(request, capacity []int64) int64
}

// Candidate is a node that can take a task, as a strategy sees it. The slices are indexed alike, by
// resource, in an order that [Candidate.Resource] tells; devices count as resources of their class.
type Candidate struct {
	Request  []int64 // what the task takes
	Free     []int64 // what is free before the task is placed
	Capacity []int64
	Tasks    []int // by the declared domains; -1 where the node lacks the attribute

	names []string
	task  berth.Task
	node  string
}

// Resource returns the index of a resource in the slices, or false if no node has it.
func (c *Candidate) Resource(name string) (int, bool) {
	i := slices.Index(c.names, name)
	return i, i >= 0
}

// Task returns the task to be placed.
func (c *Candidate) Task() berth.Task { return c.task }

// Node returns the ID of the node.
func (c *Candidate) Node() string { return c.node }

// Resolution is what a fraction of 1 scores in the strategies of this package.
const Resolution = 1 << 20

// BinPack fills nodes up: best fit. The score is the mean, over the resources a node has, of the
// fraction in use once the task is there, in units of 1/[Resolution]; it is best fit as MostAllocated in
// Kubernetes and the cpu-memory packer in Fenzo have it, over every resource. The fractions of what is
// in use and of the request are rounded down apart, so that the score is [Additive].
func BinPack() Strategy { return packing{} }

type packing struct{}

func (packing) String() string { return "binpack" }
func (packing) Err() error     { return nil }
func (p packing) Depends() Dependence {
	return Dependence{Shape: true, Additive: p}
}
func (p packing) Score(c *Candidate) int64 {
	return p.Node(c.Free, c.Capacity) + p.Group(c.Request, c.Capacity)
}

func (packing) Node(free, capacity []int64) int64 {
	var sum, n int64
	for d, c := range capacity {
		if c > 0 {
			sum += fraction(c-free[d], c)
			n++
		}
	}
	return sum / max(n, 1)
}

func (packing) Group(request, capacity []int64) int64 {
	var sum, n int64
	for d, c := range capacity {
		if c > 0 {
			sum += fraction(request[d], c)
			n++
		}
	}
	return sum / max(n, 1)
}

// fraction returns part/whole in units of 1/Resolution, rounded down, between 0 and Resolution.
func fraction(part, whole int64) int64 {
	switch {
	case part <= 0:
		return 0
	case part >= whole:
		return Resolution
	case part < math.MaxInt64/Resolution:
		return part * Resolution / whole
	}
	hi, lo := bits.Mul64(uint64(part), Resolution)
	q, _ := bits.Div64(hi, lo, uint64(whole))
	return int64(q)
}

// Spread keeps tasks apart. It prefers the node whose domain under the first attribute has the fewest of
// the group's tasks, then under the second, then the node with the least in use, as BinPack measures it.
// [berth.NodeID] as an attribute counts the tasks on the node itself. Without attributes it is worst
// fit (LeastAllocated in Kubernetes). A node that lacks an attribute comes after all that have it. At
// most two attributes can be given.
func Spread(attributes ...string) Strategy {
	s := spreading{keys: slices.Clone(attributes)}
	if len(attributes) > 2 {
		s.err = errors.New("placement: spread: more than two attributes")
	}
	for i, a := range attributes {
		if a == "" || slices.Contains(attributes[:i], a) {
			s.err = errors.Join(s.err, fmt.Errorf("placement: spread: attribute %q is empty or given twice", a))
		}
	}
	return s
}

type spreading struct {
	keys []string
	err  error
}

func (s spreading) String() string { return "spread(" + strings.Join(s.keys, ", ") + ")" }
func (s spreading) Err() error     { return s.err }
func (s spreading) Depends() Dependence {
	return Dependence{Shape: true, Domains: s.keys, Fewest: true, Additive: emptying{}}
}

func (s spreading) Score(c *Candidate) int64 {
	const bits = 21 // MostTasks, and the fraction, fit
	score := emptying{}.Node(c.Free, c.Capacity) + emptying{}.Group(c.Request, c.Capacity)
	for i := range s.keys {
		n := c.Tasks[i]
		if n < 0 || n > MostTasks {
			n = MostTasks
		}
		score -= int64(n) << (bits * (len(s.keys) - i))
	}
	return score
}

// emptying is packing with the sign turned.
type emptying struct{}

func (emptying) Node(free, capacity []int64) int64     { return -packing{}.Node(free, capacity) }
func (emptying) Group(request, capacity []int64) int64 { return -packing{}.Group(request, capacity) }

// FirstFit takes the first node, in the order of IDs, that can take the task.
func FirstFit() Strategy { return first{} }

type first struct{}

func (first) String() string           { return "first fit" }
func (first) Err() error               { return nil }
func (f first) Depends() Dependence    { return Dependence{Shape: true, Additive: f} }
func (first) Score(*Candidate) int64   { return 0 }
func (first) Node(_, _ []int64) int64  { return 0 }
func (first) Group(_, _ []int64) int64 { return 0 }

// Random takes any node that can take the task, each as likely as any other, and always the same one
// for the same seed, task ID and nodes.
func Random(seed uint64) Strategy { return random{seed} }

type random struct{ seed uint64 }

func (r random) String() string    { return fmt.Sprintf("random(%d)", r.seed) }
func (random) Err() error          { return nil }
func (random) Depends() Dependence { return Dependence{} }
func (r random) Score(c *Candidate) int64 {
	return int64(mix(mix(r.seed^hash(c.task.ID))^hash(c.node)) >> 1)
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Func makes a strategy of a function that declares nothing and is asked about every node.
func Func(name string, score func(c *Candidate) int64) Strategy { return function{name, score} }

type function struct {
	name  string
	score func(c *Candidate) int64
}

func (f function) String() string      { return f.name }
func (f function) Depends() Dependence { return Dependence{} }
func (f function) Score(c *Candidate) int64 {
	if f.score == nil {
		return 0 // Err says so
	}
	return f.score(c)
}
func (f function) Err() error {
	if f.score == nil {
		return fmt.Errorf("placement: strategy %q: no function", f.name)
	}
	return nil
}
