package placement

import (
	"cmp"
	"slices"
)

// What devices of one model are worth, which most nodes have, is found out from what is free of them in order, without a list of what each part can use. Parts that ask for as
// much are one to them, whatever models they name. Nearly always there is room for all that most shapes of a part can use: those weigh together.

// levelIndex is what devices of a model see of the parts.
type levelIndex struct {
	parts []levelPart         // the smallest first
	most  [][mostOthers]int64 // by so many devices, and other: what one of the shapes asks for at most that ask for no more devices
}

// levelPart is the parts that ask for as much.
type levelPart struct {
	count, size, units int64
	lead               int64 // what one of the shapes asks for of the lead at most
	weights, shares    int64 // of all shapes
	most               [mostOthers]int64
	shapes             []levelShape // those that ask for least of the lead first
}

// levelShape is what is looked at of a shape for each state.
type levelShape struct {
	lead, weight int64
	weights      int64 // of the shapes up to this one,
	shares       int64 // and their shares
	second       int64 // of others, if there is one
	others       []int64
}

// indexLevels makes what devices of each model see of the parts.
func (t *tuning) indexLevels() {
	t.levels = make(map[string]*levelIndex, len(t.byModel))
	for model, parts := range t.byModel { // each by itself, so that the order of the map does not matter
		t.levels[model] = newLevelIndex(t.levelsAmong(parts))
	}
}

func newLevelIndex(parts []levelPart) *levelIndex {
	const mostDevices = 16 // beyond which they count as any number
	x := &levelIndex{parts: parts, most: make([][mostOthers]int64, mostDevices+1)}
	for i := range parts {
		p := &parts[i]
		p.add()
		for n := min(p.count, mostDevices); n <= mostDevices; n++ {
			for d, q := range p.most {
				x.most[n][d] = max(x.most[n][d], q)
			}
		}
	}
	return x
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
func (p *levelPart) add() {
	slices.SortStableFunc(p.shapes, func(a, b levelShape) int { return cmp.Compare(a.lead, b.lead) })
	weights, shares := int64(0), int64(0)
	for i := range p.shapes {
		s := &p.shapes[i]
		weights, shares = weights+s.weight, shares+s.shares
		s.weights, s.shares = weights, shares
		p.lead, p.weights, p.shares = s.lead, weights, shares
		for d, q := range s.others {
			p.most[d] = max(p.most[d], q)
		}
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

// levelsOf returns what a state is worth of which the devices are of one model, and have so much free, ascending. The view has what is free of the other
// resources.
func (p *gapPolicy) levelsOf(t *tuning, g *gapView, model string, free []int64) int64 {
	for len(free) > 0 && free[0] <= 0 {
		free = free[1:]
	}
	left, worth, sum := int64(0), int64(0), int64(0)
	for _, f := range free {
		left += f
		worth += t.gaps[min(f, whole)]
	}
	g.idle, g.worth = left, worth
	if model != g.levelModel {
		g.levelModel, g.levels = model, t.levelsFor(model)
	}
	lead, per, at := g.others[0], g.per[0], 0
	if g.n == 0 {
		lead = 1 << 60
	}
	parts, most := g.levels.parts, g.levels.most
	plenty := g.plenty(&most[min(len(free), len(most)-1)], 0, left)
	for i := range parts { // in the order of what is enough for them
		part := &parts[i]
		for at < len(free) && free[at] < part.size {
			left -= free[at]
			at++
		}
		if int64(len(free)-at) < part.count {
			continue
		}
		over := lead - part.lead
		switch {
		case p.kind == leastFragments && over >= 0:
			sum += part.shares * left
		case p.kind == leastFragments:
			sum += part.served(lead) * left
		case !plenty && !g.plenty(&part.most, part.units, left):
			sum += part.each(g, left)
		case over >= 1<<22 || over >= 0 && part.units+over*per>>20 >= left:
			sum += part.weights * left
		default:
			sum += part.weighed(lead, per, left)
		}
	}
	return p.sumOf(t, g, sum)
}

// plenty reports whether there is so much of the resources behind the lead that they are no bound to what shapes can use that ask for no more than that.
func (g *gapView) plenty(most *[mostOthers]int64, units, usable int64) bool {
	for d := 1; d < g.n; d++ {
		over := g.others[d%mostOthers] - most[d%mostOthers]
		if over < 0 || over < 1<<22 && units+over*g.per[d%mostOthers]>>20 < usable {
			return false
		}
	}
	return true
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
