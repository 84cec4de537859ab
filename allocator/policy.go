package allocator

import (
	"cmp"
	"math"
	"math/bits"

	"github.com/berth-sched/berth"
)

// Policy orders two siblings of a [Tree]: the result is negative where a has its turn before b, positive where after, and zero where the
// policy does not say; then the charges ever made count, fewest first, then the path. It must depend on nothing but
// the two, and must not keep or change them. It is called some times for each turn, under no lock.
//
// [ByShare], [ByNeed], [ByPriority], [ByArrival], [ByLottery] and [ByUsage] are policies, [InTurn] makes one of several, and a host
// writes its own as a function.
type Policy func(a, b *Sibling) int

// Sibling is what a [Policy] sees of a role, or of a client of a [Queue], beside the others of the same parent. What is said of a role is
// said of all below it together.
type Sibling struct {
	Role berth.Role
	Name string // of a client, else empty
	// Weight of the role among its siblings. Clients have the default.
	Weight Weight
	// Priority of the role: its own, else that of the nearest role above it that has one, else 0.
	Priority int
	// Charges is how many charges were ever made, in a Queue. In a round of a scheduler it is 0, so that a plan says the same
	// whatever was planned before.
	Charges uint64
	// Arrived is where the first that waits stands in the order in which all came: in a round of a scheduler among the tasks
	// handed in, in a Queue among the clients as they became active.
	Arrived int64
	// Draw is the number of the ticket for the next turn: see [ByLottery].
	Draw uint64
	// Usage is the part of the cluster that the role has used of late, in millionths: see [Usage].
	Usage int64
	// Owed is whether the role, or one below it that waits, has less of a resource than is guaranteed to it.
	Owed bool

	path  string // what siblings of one standing are ordered by
	share ratio
	met   ratio
	top   string // the resource of share
}

// Share returns the dominant share, with the weight.
func (s *Sibling) Share() Share {
	r := Share{Weight: s.Weight, Resource: s.top}
	if s.top != "" {
		r.Used, r.Total = fraction(s.share.used, s.share.total)
	}
	return r
}

// Guaranteed returns the largest part that the sibling has of what is guaranteed to it, over all resources that are, with the weight
// left out. It is the zero Share where it has none of them, or where nothing is guaranteed.
func (s *Sibling) Guaranteed() Share {
	if s.met.used == (wide{}) {
		return Share{}
	}
	used, total := fraction(s.met.used, s.met.total)
	return Share{Used: used, Total: total, Resource: "guaranteed"}
}

// ByShare is weighted dominant resource fairness, exactly: the lowest dominant share over weight first. It is the default.
func ByShare(a, b *Sibling) int { return a.share.compare(&b.share) }

// ByNeed lets those go first that have less than is guaranteed to them, of these who has the smallest part of it; the order of queues of
// YuniKorn, where a queue's share is the largest of its parts of what is guaranteed. Between others it does not say.
func ByNeed(a, b *Sibling) int {
	switch {
	case a.Owed != b.Owed:
		if a.Owed {
			return -1
		}
		return 1
	case a.Owed:
		return a.met.compare(&b.met)
	}
	return 0
}

// ByPriority lets the higher priority go first, as long as it can use anything.
func ByPriority(a, b *Sibling) int { return cmp.Compare(b.Priority, a.Priority) }

// ByArrival lets who came first go first.
func ByArrival(a, b *Sibling) int { return cmp.Compare(a.Arrived, b.Arrived) }

// ByLottery draws lots (Waldspurger and Weihl, "Lottery Scheduling", OSDI 1994): each turn goes to a sibling with a chance of
// its weight over the weights of all that wait, whatever it has. The draws follow from [Tree.Seed], the paths and, in
// a scheduler, the ledger's time and sums: the same again are the same draws.
//
// Tickets are arrivals of independent streams of the rates of the weights, whose first is one drawn by weight; so only the
// winner needs a new one.
func ByLottery(a, b *Sibling) int { return cmp.Compare(a.Draw, b.Draw) }

// ByUsage lets go first who has used least of late for its weight.
func ByUsage(a, b *Sibling) int {
	x := ratio{wideOf(max(0, a.Usage)), wideOf(1), uint64(max(1, a.Weight))}
	y := ratio{wideOf(max(0, b.Usage)), wideOf(1), uint64(max(1, b.Weight))}
	return x.compare(&y)
}

// InTurn is the policy that goes by the first of several that says anything.
func InTurn(policies ...Policy) Policy {
	return func(a, b *Sibling) int {
		for _, p := range policies {
			if p == nil {
				continue
			}
			if c := p(a, b); c != 0 {
				return c
			}
		}
		return 0
	}
}

// ticketUnit is a mean wait of the default weight.
const ticketUnit = 1 << 20

// wait returns the n-th wait of a stream: exponential, with a mean of ticketUnit over the weight.
func wait(stream, n uint64, w Weight) uint64 {
	u := mix(stream + n*0x9e3779b97f4a7c15)
	hi, lo := bits.Mul64(negLog2(u|1), ticketUnit*45426) // 2^-48 of log2(e)^-1 = ln 2 = 45426/65536
	q := wide{hi, lo}.over(48).lo                        // log2 has 32 places behind the point, ln 2 has 16
	hi, lo = bits.Mul64(q, uint64(DefaultWeight))
	d := uint64(max(1, w))
	if hi >= d {
		return math.MaxInt64
	}
	q, _ = bits.Div64(hi, lo, d)
	return max(1, q)
}

// negLog2 returns -log2(u/2^64) with 32 binary places, for u above zero.
func negLog2(u uint64) uint64 {
	zeros := bits.LeadingZeros64(u)
	x := u << zeros // from 2^63 up: the mantissa
	var places uint64
	for range 32 {
		hi, _ := bits.Mul64(x, x) // x*x in units of 2^126 is from 1 up to 4
		places <<= 1
		if hi>>63 != 0 {
			places |= 1
			x = hi
		} else {
			_, lo := bits.Mul64(x, x)
			x = hi<<1 | lo>>63
		}
	}
	return uint64(zeros+1)<<32 - places
}

// mix spreads the bits of x.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// streamOf returns the number of a stream of tickets.
func streamOf(seed uint64, path string) uint64 {
	h := mix(seed ^ 0x6a09e667f3bcc909)
	for i := range len(path) {
		h = mix(h ^ uint64(path[i]))
	}
	return h
}
