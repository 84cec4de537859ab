package placement

import (
	"math"
	"slices"

	"github.com/berth-sched/berth/internal/lex"
)

// Policies that look at what tasks to come could use of the devices, and of what is beside them.

// FGD is fragmentation gradient descent (Weng et al., "Beware of Fragmentation", USENIX ATC 2023) as it was published. Shapes are the most
// frequent requests, by the primary class of devices, its models and cores, that together are 95 % of the mix. What a shape of share p
// cannot use of a node's idle devices is a fragment: all that is idle, if it asks for no device or the node lacks the cores, the devices or
// the models; else what is idle of devices that have too little free for it. With F the sum of p times the fragments, in
// thousandths of a device, a node is rated
//
//	100 / (1 + exp(-(F before - F after) / 1000)), rounded down, from 0 to 100
//
// Of devices of a node that are rated alike a task gets the one that is first in the node's list. Equal nodes are taken in the order of ties. Of equally frequent
// requests at the end of the 95 % those that ask for more cores are shapes. Memory counts for whether a task fits and not in the score.
//
// On the authors' trace, 13 lists at ten seeds each, 109 of 130 curves are the published ones and all means are within 0.07 points. What differs is rounding: where F
// falls by exactly nothing a node is rated 50 here, and 49 or 50 in the authors' program, by the order in which it adds.
//
// A zero Mix is learned, see [Learned]; the authors gave the policy the mix of the whole trace. It costs what a [Change] does.
func FGD(m Mix) Strategy { return gapStrategy(leastFragments, m) }

// RoomLoss places a task where it destroys least of the room that tasks to come could use. For each of the most frequent requests
// that are 95 % of the mix, the shapes, the room on a node is what it could use of the idle devices, and no more than there are other resources for:
//
//	room = min(usable, G + (free - asked) / (r / 2))    over every other resource, and 0 where the shape does not fit
//
// where G is what the shape takes of devices, usable all that is free of devices with enough for it, and r the mean amount of the
// other resource per unit of devices in the mix. The loss is the sum, over the shapes, of weight times (room before - room after), with weight
//
//	(p / G) / sum(p / G) x (T + E) / (R + E)
//
// where p is how often the shape comes, T what is free in the cluster, R the shape's room in the cluster, and E 100 devices. Nodes within 1/64 device of the
// least loss count as the best, and of these the first in the order of ties is taken. Weights are made anew as [Learned] tells.
//
// All is in whole numbers: devices in thousandths, weights in 2^-20. On a trace of a GPU cluster (openb) it left 12 % less unused than
// [FGD]; [PricedGaps] is better yet. A zero Mix is learned. It costs what a [Change] does.
func RoomLoss(m Mix) Strategy { return gapStrategy(roomLoss, m) }

// PricedGaps is [RoomLoss] plus what the gaps are worth that a placement leaves: it is the best policy here for clusters with devices that tasks
// have shares of. What is left of a device is worth the most valuable set of shares that fit in it, at the prices of the linear programme
// that packs the mix into the fewest devices (Gilmore and Gomory's cutting stock; the prices are its dual). A node is worth
//
//	worth = min(sum of what is left of its devices, free / (r / 2))    over every other resource, with r as in RoomLoss
//
// and the loss is the room lost plus 12 times the worth lost. To the shapes come, of the rest of the mix, those that ask for several devices, merged
// by their number and models. Weights have E = 20 devices, and a second factor, which ends the protection where there is far more
// room than those can use who ask for at least as much, F of what is asked for:
//
//	min(1, (F T + E) / (R + E))
//
// Devices come in thousandths, prices in 1/16 of that, weights in 2^-20: the same on every machine. Where no device is asked for, the plain resource
// that the mix is shortest of takes the place of devices, in thousandths of the largest node's; [Strategy.Over] names another.
//
// A zero Mix is learned. It costs what a [Change] does.
func PricedGaps(m Mix) Strategy { return gapStrategy(pricedGaps, m) }

type gapKind uint8

const (
	leastFragments gapKind = iota
	roomLoss
	pricedGaps
)

var gapNames = []string{"fgd", "room-loss", "priced-gaps"}

// gapPolicy is what a term of these reads.
type gapPolicy struct {
	kind gapKind
	over string // what room is kept of; "" for what the mix says
	mix  Mix    // the zero one if it is learned
}

// gapTolerance is how far from the least loss counts as the least: a 64th of a device.
const gapTolerance = 16 << 20

func gapStrategy(kind gapKind, m Mix) Strategy { return (&gapPolicy{kind: kind, mix: m}).strategy() }

func (p *gapPolicy) strategy() Strategy {
	s := Best(p.term())
	s.tiers[0].within = p.usualTolerance()
	s.name = p.String()
	return s
}

// isGaps reports whether the strategy prints as the name of such a policy.
func (s *Strategy) isGaps() bool { return s.name != "" && s.gapPolicy() != nil }

func (p *gapPolicy) term() Term {
	t := newTerm(stateTerm, p.String())
	if t.gaps = p; p.kind == leastFragments {
		t.through, t.lo, t.hi = fgdScore, 0, 100
	} else {
		t.lo, t.hi = -mostGap, mostGap
	}
	return t
}

const mostGap = 1 << 60

// usualTolerance returns the tolerance that the strategy of that name has.
func (p *gapPolicy) usualTolerance() int64 {
	if p.kind == leastFragments {
		return 0
	}
	return gapTolerance
}

// String prints the policy: "priced-gaps", "priced-gaps(gpu)", "fgd(gpu; 3 of (cpu 1000))", "fgd(; 3 of (cpu 1000))".
func (p *gapPolicy) String() string {
	text := gapNames[p.kind]
	if p.over == "" && p.mix.IsZero() {
		return text
	}
	text += "("
	if p.over != "" {
		text += lex.PrintName(p.over)
	}
	if !p.mix.IsZero() {
		text += "; " + p.mix.String()
	}
	return text + ")"
}

// gapPolicy reads what follows the name of a policy.
func (p *parser) gapPolicy(kind gapKind) (*gapPolicy, error) {
	policy := &gapPolicy{kind: kind}
	if p.Space(); p.Peek() != '(' {
		return policy, nil
	}
	p.Pos++
	var err error
	if p.Space(); p.Peek() != ';' {
		if policy.over, _, err = p.name(); err != nil {
			return policy, err
		}
	}
	if p.at(';') {
		if policy.mix, err = p.mix(); err != nil {
			return policy, err
		}
	}
	return policy, p.want(')')
}

// namedGaps reads a strategy that prints as the name of such a policy, or none.
func (p *parser) namedGaps() (s Strategy, err error) {
	start := p.Pos
	kind := slices.IndexFunc(gapNames, p.says)
	if kind < 0 {
		return s, nil
	}
	policy, err := p.gapPolicy(gapKind(kind))
	if err != nil {
		return s, err
	}
	s = policy.strategy()
	if s, err = p.within(s); err != nil {
		return s, err
	}
	if p.Space(); p.Peek() == ',' || p.Peek() == '+' { // it is but a term
		p.Pos = start
		return Strategy{}, nil
	}
	return s, nil
}

// fgdCuts has, for each score above 50, what F must fall by at least for it, in 2^-30 of a thousandth: 1000 ln(n / (100 - n)), exact to the last bit.
var fgdCuts = [...]int64{
	42955400958, 85945202936, 129003972541, 172166609557, 215468518569, 258945786767,
	302635370197, 346575290948, 390804847990, 435364844749, 480297836900, 525648404390,
	571463452357, 617792546413, 664688288762, 712206742851, 760407915826, 809356309964,
	859121556720, 909779150084, 961411299866, 1014107930575, 1067967858027, 1123100184289,
	1179625962704, 1237680199489, 1297414278210, 1358998920277, 1422627831491, 1488522235910,
	1556936570667, 1628165719052, 1702554310353, 1780508839581, 1862513701125, 1949152759868,
	2041138927593, 2139355599228, 2244916158934, 2359251925407, 2484246588929, 2622450160599,
	2777436534454, 2954438545827, 3161567280147, 3412409316568, 3732432547628, 4178810225574,
	4933972369383,
}

// fgdScore returns the sigmoid of what F falls by.
func fgdScore(gain int64) int64 {
	if gain >= 0 {
		i, exact := slices.BinarySearch(fgdCuts[:], gain)
		if exact {
			i++
		}
		return 50 + int64(i)
	}
	i, _ := slices.BinarySearch(fgdCuts[:], -max(gain, -math.MaxInt64))
	return 49 - int64(i)
}
