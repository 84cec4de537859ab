package placement

import (
	"slices"

	"github.com/berth-sched/berth/internal/fit"
)

// gapView is what is free on a node as shapes see it. A policy of gaps looks at some twenty states for each task, so that a part is asked
// once for the devices of a model and not for each device, and a shape only where its part has room and the node the cores.
type gapView struct {
	tuned *tuning  // by which at and parts are
	names []string // of the dimensions,
	at    []int    // and where in them the other resources are, or -1
	model string   // of the devices that are being taken in,
	parts []int32  // which parts those may serve,
	frees []int64  // and what is free of them

	levelModel string             // of devices that are told at once,
	levels     *levelIndex        // the parts as they see them,
	told       []int64            // what is free of them,
	all        levelSums          // and what that comes to
	marks      [mostShapes]uint64 // by part of levels: the last look in which it was put right
	mark       uint64

	n      int               // how many other resources there are,
	others [mostOthers]int64 // what is free of each,
	per    [mostOthers]int64 // and tuning.Per
	usable [mostShapes]int64 // by part: what is free of devices with enough, if they are enough
	count  [mostShapes]int64 // and how many those are
	idle   int64
	worth  int64 // of what is left, in 1/16
}

// turn turns to a tuning, and to a state of which all devices are told at once: see levelsOf.
func (g *gapView) turn(t *tuning) {
	if g.tuned != t {
		g.tuned, g.names, g.model, g.parts = t, nil, "", t.byModel[""]
		g.levelModel, g.levels = "", t.levels[""]
		g.n = copy(g.per[:], t.Per)
	}
}

// begin turns to another state, or node, by a tuning.
func (g *gapView) begin(t *tuning) {
	g.turn(t)
	clear(g.usable[:len(t.parts)])
	clear(g.count[:len(t.parts)])
	g.frees, g.idle, g.worth = g.frees[:0], 0, 0
}

// amounts takes in what is free of the other resources.
func (g *gapView) amounts(names []string, free []int64) {
	g.find(names)
	for i, d := range g.at {
		g.others[i%mostOthers] = max(amountAt(free, d), 0) >> g.tuned.Shift[i]
	}
}

// amountsLess takes in what is left of them where so much of what is free is taken.
func (g *gapView) amountsLess(names []string, free, taken []int64) {
	g.find(names)
	for i, d := range g.at {
		left := int64(0)
		if d >= 0 && d < len(free) {
			left = free[d] - taken[d]
		}
		g.others[i%mostOthers] = max(left, 0) >> g.tuned.Shift[i]
	}
}

// find finds the other resources among the dimensions.
func (g *gapView) find(names []string) {
	if g.names == nil || !sameNames(g.names, names) {
		g.names, g.at = names, g.at[:0]
		for _, name := range g.tuned.Others {
			g.at = append(g.at, slices.Index(names, name))
		}
	}
}

// device takes in a device of the primary class.
func (g *gapView) device(model string, free int64) {
	if free <= 0 {
		return
	}
	if model != g.model {
		g.flush()
		g.model, g.parts = model, g.tuned.partsOf(model)
	}
	g.idle += free
	g.worth += g.tuned.gaps[min(free, whole)]
	g.frees = append(g.frees, free)
}

// flush tells the parts of the devices of a model that were taken in: a part can use those with enough, and parts are in the order of what is
// enough for them.
func (g *gapView) flush() {
	frees := g.frees
	if len(frees) == 0 {
		return
	}
	left := int64(0)
	for i, free := range frees {
		left += free
		if i > 0 && frees[i-1] > free {
			slices.Sort(frees) // as a rule all but one are in order already
			left = 0
			for _, free := range frees {
				left += free
			}
			break
		}
	}
	for _, i := range g.parts {
		for size := g.tuned.parts[i].size; frees[0] < size; {
			left -= frees[0]
			if frees = frees[1:]; len(frees) == 0 {
				g.frees = g.frees[:0]
				return
			}
		}
		g.usable[i] += left
		g.count[i] += int64(len(frees))
	}
	g.frees = g.frees[:0]
}

// end is to be called when all devices were taken in.
func (g *gapView) end() {
	g.flush()
	for i := range g.tuned.parts {
		if g.count[i] < g.tuned.parts[i].count {
			g.usable[i] = 0
		}
	}
}

// plain takes in what is free of a plain primary.
func (g *gapView) plain(free int64) {
	if free > 0 {
		g.device("", min(mulDiv(free, whole, g.tuned.Largest), whole))
	}
	g.end()
}

// look takes in the devices of a state, as State.Devices has them, without making the list.
func (g *gapView) look(s *State) {
	v := s.views
	if v == nil || v.node == nil || len(v.node.Spec.Devices) == 0 {
		return
	}
	var way []int32
	if s.after {
		if v.looked = true; v.ways() > 0 {
			way = v.options.Way(v.way)
		}
	}
	v.pool()
	kind, counts, model := int32(-1), false, ""
	for k, i := range v.options.Order() {
		if of := v.options.Kind(i); of != kind {
			d := &v.node.Spec.Devices[i]
			kind, counts, model = of, d.Class == g.tuned.Primary, d.Model
		}
		if !counts {
			continue
		}
		free := v.options.Units(i)
		if way != nil && way[k] != fit.NoRequest {
			free -= min(v.requests.Devices[way[k]].Units(), whole)
		}
		g.device(model, free)
	}
	g.end()
}

// room returns what a shape that asks for so much could use, of which its part can use so much.
func (g *gapView) room(others []int64, units, usable int64) int64 {
	t, room := g.tuned, usable
	for d, q := range others {
		over := g.others[d] - q
		if over < 0 {
			return 0
		}
		if over < 1<<22 { // else the product may overflow, and it is no bound to anything
			room = min(room, units+over*t.Per[d]>>20)
		}
	}
	return room
}

// rooms adds to what each shape has room for.
func (g *gapView) rooms(sums []int64, times int64) {
	for p := range g.tuned.parts {
		usable := g.usable[p]
		if usable == 0 {
			continue
		}
		part := &g.tuned.parts[p]
		for i := range part.shapes {
			s := &part.shapes[i]
			if s.lead > g.others[0] {
				break // as all that follow ask for more of the lead
			}
			sums[s.of] += times * g.room(s.others, s.units, usable)
		}
	}
}

// weighed returns the rooms of the shapes of a part that can use so much, each times its weight.
func (g *gapView) weighed(part *tunedPart, usable int64) (sum int64) {
	for i := range part.shapes {
		s := &part.shapes[i]
		if s.lead > g.others[0] {
			break
		}
		sum += s.weight * g.room(s.others, s.units, usable)
	}
	return sum
}

// served returns the shares of the shapes of a part that the node has the lead for.
func (g *gapView) served(part *tunedPart) (share int64) {
	for i := range part.shapes {
		if part.shapes[i].lead > g.others[0] {
			break
		}
		share = part.shapes[i].upTo
	}
	return share
}

// worthOf returns what a state is worth to the policy: the more of it is lost, the worse is a placement.
func (p *gapPolicy) worthOf(t *tuning, s *State, g *gapView) int64 {
	if t == nil {
		return 0
	}
	g.begin(t)
	g.amounts(s.names, s.Free)
	if t.Plain {
		g.plain(s.FreeOf(t.Primary))
	} else {
		g.look(s)
	}
	return p.summed(t, g)
}

// summed returns what that is worth which a view has taken in.
func (p *gapPolicy) summed(t *tuning, g *gapView) int64 {
	sum := int64(0)
	for i, usable := range g.usable[:len(t.parts)] {
		if usable == 0 {
			continue
		}
		if part := &t.parts[i]; p.kind == leastFragments {
			sum += g.served(part) * usable
		} else {
			sum += g.weighed(part, usable)
		}
	}
	return p.sumOf(t, g, sum)
}

// sumOf returns what a state is worth of which the parts come to a sum: of what shapes can use, each times its share, or of rooms, each times its weight.
func (p *gapPolicy) sumOf(t *tuning, g *gapView, sum int64) int64 {
	switch p.kind {
	case leastFragments: // what shapes cannot use of what is idle
		return -mulDiv(t.shares*g.idle-sum, 1<<30, t.Total)
	case pricedGaps:
		worth := g.worth << 16
		for d := range t.Others {
			if free := g.others[d]; free < 1<<22 {
				worth = min(worth, free*t.Per[d])
			}
		}
		sum += 12 * worth
	}
	return sum
}
