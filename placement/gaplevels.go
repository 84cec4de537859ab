package placement

import (
	"cmp"
	"math"
	"slices"
)

// What devices of one model are worth, which most nodes have, is found out from what is free of them in order, without a list of what each part can use. Parts that ask for as
// much are one to them, whatever models they name. Nearly always there is room for all that most shapes of a part can use: those weigh together, for each device by what is free of it.

// levelIndex is what devices of a model see of the parts.
type levelIndex struct {
	parts   []levelPart
	upTo    [whole + 1]int64 // by what is free of a device: what the shapes weigh, or their shares, that ask for one device with no more
	several []int32          // the parts that ask for several devices, the smallest first
	short   [][]shortPart    // by other: the parts, those first that are short of it first
}

// levelPart is the parts that ask for as much.
type levelPart struct {
	count, size, units int64
	all                int64             // what all shapes weigh, or their shares
	most               [mostOthers]int64 // what one of the shapes asks for at most
	shapes             []levelShape      // those that ask for least of the lead first
}

// shortPart is from when on another resource may be a bound to what a part can use: see isShort.
type shortPart struct {
	key  int64
	part int32
}

// levelShape is what is looked at of a shape for each state.
type levelShape struct {
	lead, weight int64
	weights      int64 // of the shapes up to this one,
	shares       int64 // and their shares
	second       int64 // of others, if there is one
	others       []int64
}

// taking is that so many devices of which so much is free have less left.
type taking struct{ devices, of, left int64 }

// indexLevels makes what devices of each model see of the parts.
func (p *gapPolicy) indexLevels(t *tuning) {
	t.slack = t.slack[:0]
	for _, per := range t.Per {
		slack := int64(math.MaxInt64)
		if per > 0 {
			slack = (1<<40-1)/per + 1
		}
		t.slack = append(t.slack, slack)
	}
	t.levels = make(map[string]*levelIndex, len(t.byModel))
	for model, parts := range t.byModel { // each by itself, so that the order of the map does not matter
		t.levels[model] = p.newLevelIndex(t, t.levelsAmong(parts))
	}
}

func (p *gapPolicy) newLevelIndex(t *tuning, parts []levelPart) *levelIndex {
	x := &levelIndex{parts: parts, short: make([][]shortPart, len(t.Others))}
	for i := range parts {
		part := &parts[i]
		if part.add(p.kind); part.count > 1 {
			x.several = append(x.several, int32(i))
		} else {
			x.upTo[min(part.size, whole)] += part.all
		}
		for d := range x.short {
			key := part.most[d]
			switch slack := t.slack[d]; {
			case p.kind == leastFragments: // the lead is all that counts, and what else is usable does not
			case slack > mostSlack || part.units > mostUsable:
				key = math.MaxInt64
			default:
				key -= part.units * slack >> 20
			}
			x.short[d] = append(x.short[d], shortPart{key, int32(i)})
		}
	}
	for size := range whole {
		x.upTo[size+1] += x.upTo[size]
	}
	for _, parts := range x.short {
		slices.SortStableFunc(parts, func(a, b shortPart) int { return cmp.Compare(b.key, a.key) })
	}
	return x
}

const (
	mostSlack  = 1 << 40
	mostUsable = 1 << 20
)

// reach returns what keys of parts are at most that are certainly not short of another resource, of which so much is free, whatever they can use of so
// much of the primary. A part is not if its shapes ask for no more than there is, and for what is over there comes as much of the primary as is usable:
//
//	units + (free - most) x per / 2^20 >= usable
//
// which holds where free - usable x slack is at least most - units x slack, with slack the least whole number of 2^-20 that is no less than 2^20 / per. Each product is rounded down
// here, and two added for that.
func (t *tuning) reach(d int, free, usable int64) int64 {
	slack := t.slack[d]
	if slack > mostSlack || usable > mostUsable {
		return math.MinInt64
	}
	return free - usable*slack>>20 - 2
}

// levelsAmong makes one of parts that ask for as much.
func (t *tuning) levelsAmong(parts []int32) (levels []levelPart) {
	for _, i := range parts {
		of := &t.parts[i]
		at := slices.IndexFunc(levels, func(l levelPart) bool { return l.count == of.count && l.size == of.size })
		if at < 0 {
			at = len(levels)
			levels = append(levels, levelPart{count: of.count, size: of.size, units: of.count * of.size})
		}
		l := &levels[at]
		for j := range of.shapes {
			s := &of.shapes[j]
			shape := levelShape{lead: s.lead, weight: s.weight, shares: t.Shapes[s.of].Share, others: s.others}
			if len(s.others) > 1 {
				shape.second = s.others[1]
			}
			l.shapes = append(l.shapes, shape)
		}
	}
	return levels
}

// add puts shapes in order and adds up what is told of those up to each.
func (p *levelPart) add(kind gapKind) {
	slices.SortStableFunc(p.shapes, func(a, b levelShape) int { return cmp.Compare(a.lead, b.lead) })
	weights, shares := int64(0), int64(0)
	for i := range p.shapes {
		s := &p.shapes[i]
		weights, shares = weights+s.weight, shares+s.shares
		s.weights, s.shares = weights, shares
		for d, q := range s.others {
			p.most[d] = max(p.most[d], q)
		}
	}
	if p.all = weights; kind == leastFragments {
		p.all = shares
	}
}

// levelsFor returns the parts as devices of a model see them.
func (t *tuning) levelsFor(model string) *levelIndex {
	x, named := t.levels[model]
	if !named {
		x = t.levels[""]
	}
	return x
}

// tell takes in what is free of devices that are of one model, ascending.
func (g *gapView) tell(model string, free []int64) {
	if model != g.levelModel {
		g.levelModel, g.levels = model, g.tuned.levelsFor(model)
	}
	g.told = free
	idle, worth, sum := int64(0), int64(0), int64(0)
	for _, f := range free {
		if f > 0 {
			at := min(f, whole)
			idle, worth, sum = idle+f, worth+g.tuned.gaps[at], sum+g.levels.upTo[at]*f
		}
	}
	g.all = levelSums{idle, worth, sum}
}

// levelSums is what is free of devices, what gaps are worth, and what those shapes come to that ask for one device where no other resource is a bound.
type levelSums struct{ idle, worth, ones int64 }

// usable returns what is free of devices with so much, once some are taken, and how many those are.
func (g *gapView) usableOf(size int64, gone taking) (left, n int64) {
	free := g.told
	for i := len(free) - 1; i >= 0 && free[i] >= size; i-- {
		left, n = left+free[i], n+1
	}
	if gone.devices > 0 {
		if gone.of >= size {
			left, n = left-gone.devices*gone.of, n-gone.devices
		}
		if gone.left >= size {
			left, n = left+gone.devices*gone.left, n+gone.devices
		}
	}
	return left, n
}

// levelsOf returns what a state is worth of whose devices the view was told, once some are taken. The view has what is free of the other resources.
//
// Of most parts it is plain what they can use: all that is free of devices with enough. That is added up by device, whatever the parts. Then those are put right, by part,
// that may lack another resource for it.
func (p *gapPolicy) levelsOf(t *tuning, g *gapView, gone taking) int64 {
	x := g.levels
	g.idle, g.worth = g.all.idle, g.all.worth
	sum := g.all.ones
	if n := gone.devices; n > 0 {
		of, left := min(gone.of, whole), min(gone.left, whole)
		g.idle -= n * (gone.of - gone.left)
		g.worth -= n * (t.gaps[of] - t.gaps[left])
		sum -= n * (x.upTo[of]*gone.of - x.upTo[left]*gone.left)
	}
	for i, size, left, n := 0, int64(-1), int64(0), int64(0); i < len(x.several); i++ {
		part := &x.parts[x.several[i]]
		if part.size != size {
			size = part.size
			left, n = g.usableOf(size, gone)
		}
		if n >= part.count {
			sum += part.all * left
		}
	}
	if p.kind == leastFragments {
		return p.sumOf(t, g, sum-g.lacking(t, gone))
	}
	g.mark++
	for d := range g.n {
		reach := t.reach(d, g.others[d], g.idle)
		for _, short := range x.short[d] {
			if short.key <= reach {
				break
			}
			if g.marks[short.part] == g.mark {
				continue
			}
			g.marks[short.part] = g.mark
			part := &x.parts[short.part]
			if left, n := g.usableOf(part.size, gone); n >= part.count {
				sum += part.rooms(g, left) - part.all*left
			}
		}
	}
	return p.sumOf(t, g, sum)
}

// lacking returns what shapes come to, each times its share, that cannot use what is usable because the node has not the lead for them.
func (g *gapView) lacking(t *tuning, gone taking) (sum int64) {
	if g.n == 0 {
		return 0
	}
	lead := g.others[0]
	for _, short := range g.levels.short[0] {
		if short.key <= lead {
			break
		}
		part := &g.levels.parts[short.part]
		if left, n := g.usableOf(part.size, gone); n >= part.count {
			sum += (part.all - part.served(lead)) * left
		}
	}
	return sum
}

// rooms returns the rooms of the shapes, each times its weight, of a part that can use so much.
func (p *levelPart) rooms(g *gapView, usable int64) int64 {
	for d := 1; d < g.n; d++ {
		over := g.others[d%mostOthers] - p.most[d%mostOthers]
		if over < 0 || over < 1<<22 && p.units+over*g.per[d%mostOthers]>>20 < usable {
			return p.each(g, usable)
		}
	}
	return p.weighed(g.others[0], g.per[0], usable)
}

// served returns the shares of the shapes that the node has the lead for.
func (p *levelPart) served(lead int64) int64 {
	for i := len(p.shapes) - 1; i >= 0; i-- {
		if p.shapes[i].lead <= lead {
			return p.shapes[i].shares
		}
	}
	return 0
}

// weighed returns the rooms of the shapes, each times its weight, where nothing but the lead is a bound to what they can use.
func (p *levelPart) weighed(lead, per, usable int64) (sum int64) {
	i := len(p.shapes) - 1
	for i >= 0 && p.shapes[i].lead > lead {
		i--
	}
	for ; i >= 0; i-- {
		s := &p.shapes[i]
		over := lead - s.lead
		if over >= 1<<22 || p.units+over*per>>20 >= usable { // and so it is for those that ask for less
			return sum + s.weights*usable
		}
		sum += s.weight * (p.units + over*per>>20)
	}
	return sum
}

// each returns the same where others are bounds too.
func (p *levelPart) each(g *gapView, usable int64) (sum int64) {
	if g.n == 2 {
		return p.eachOfTwo(g.others[0], g.per[0], g.others[1], g.per[1], usable)
	}
	for i := range p.shapes {
		s := &p.shapes[i]
		if s.lead > g.others[0] {
			break
		}
		sum += s.weight * g.room(s.others, p.units, usable)
	}
	return sum
}

// eachOfTwo is each where there is one resource behind the lead, as a rule memory.
func (p *levelPart) eachOfTwo(lead, per, second, perSecond, usable int64) (sum int64) {
	for i := range p.shapes {
		s := &p.shapes[i]
		over, more := lead-s.lead, second-s.second
		if over < 0 {
			break
		}
		if more < 0 {
			continue
		}
		room := usable
		if over < 1<<22 {
			room = min(room, p.units+over*per>>20)
		}
		if more < 1<<22 {
			room = min(room, p.units+more*perSecond>>20)
		}
		sum += s.weight * room
	}
	return sum
}
