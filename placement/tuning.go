package placement

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// tuning is what a mix and the state of a cluster come to for a policy that keeps room for what is expected. It never changes. Of the
// primary resource amounts are in thousandths of a device, or of the largest node where it is a plain resource.
type tuning struct {
	Primary string
	Plain   bool
	Largest int64 `json:",omitempty"` // of a plain primary, what a thousand is

	Others []string // the other resources, the lead first
	Shift  []uint   // by other: how many of its last bits do not count
	Per    []int64  // by other: the primary that tasks take for one of it, at twice the mean, in 2^-20
	Shapes []tunedShape
	Total  int64   // what all shares come to
	Values []int64 // what a gap is worth in 1/16 thousandth, evenly from 0 to 1000

	parts   []tunedPart            // what shapes ask of the primary, each once, the smallest devices first
	byModel map[string][]int32     // the parts, in that order, that devices of a model may serve; those of any other under ""
	shares  int64                  // of all shapes
	gaps    [whole + 1]int64       // Values, by thousandth
	levels  map[string]*levelIndex // the parts as devices of a model see them; those of any other under ""
	slack   []int64                // by other: see reach
}

// tunedShape is a kind of task that is expected.
type tunedShape struct {
	Others []int64 // by other, shifted; of those behind the lead the mean
	Count  int64   // devices
	Size   int64   // of each; 0 where nothing of the primary is asked for
	Models []string
	Share  int64 // of all tasks, in parts of the total
	Weight int64 // of its room, in 2^-20

	part int32
}

func (s *tunedShape) units() int64 { return s.Count * s.Size }

type tunedPart struct {
	count, size int64
	models      []string
	shapes      []partShape // that ask for it, those that ask for least of the lead first
}

// partShape is what is looked at of a shape for each state.
type partShape struct {
	lead   int64 // what it asks for of the first of the others, if there is one
	others []int64
	units  int64
	weight int64
	upTo   int64 // the shares of the shapes of the part up to this one
	of     int32 // which of the shapes it is
}

const (
	mostShapes = 256
	mostOthers = 8 // resources beside the primary one
	whole      = berth.DeviceUnits
	mostWeighs = 1 << 30
	mostPer    = 1 << 38
	mostParts  = 1 << 32 // of what shares are told in
)

// tune returns what a mix comes to on a snapshot, which may be nil; nil if the mix asks for nothing to keep room for.
func (p *gapPolicy) tune(m Mix, s *cluster.Snapshot) *tuning {
	var view *store.View
	if s != nil {
		view = (*store.View)(s).Shown()
	}
	t := &tuning{Primary: p.over}
	if !t.choosePrimary(m, view) {
		return nil
	}
	t.chooseOthers(m)
	parts := int64(1 << 30)
	if p.kind == leastFragments { // which is told exactly, so that nodes are rated as published to the last point
		parts = m.tasks()
		for ; parts > mostParts; parts >>= 1 {
		}
	}
	shapes := p.shapesOf(t, m, parts)
	t.Shapes, t.Total = p.expects(shapes, parts)
	rest := shapes
	if p.kind != pricedGaps {
		rest = t.Shapes
	}
	t.Per = perPrimary(rest, len(t.Others))
	if p.kind == pricedGaps {
		t.price(shapes)
	}
	t.index()
	if p.kind != leastFragments {
		p.weigh(t, view)
	}
	p.indexLevels(t)
	return t
}

// choosePrimary chooses what room is kept of: what was named, or the class of devices that most is asked for of, or else the resource
// that the mix is shortest of.
func (t *tuning) choosePrimary(m Mix, view *store.View) bool {
	units, amounts := map[string]float64{}, map[string]float64{}
	for i := range m.kinds {
		k := &m.kinds[i]
		for _, d := range k.devices {
			units[d.class] += float64(float64(k.n) * float64(d.count*d.units))
		}
		for _, a := range k.amounts {
			amounts[a.name] += float64(float64(k.n) * float64(a.q))
		}
	}
	named := t.Primary
	if named == "" {
		for class, n := range units {
			if most := units[t.Primary]; n > most || n == most && n > 0 && class < t.Primary {
				t.Primary = class
			}
		}
	}
	if units[t.Primary] > 0 {
		return true
	}
	if view == nil {
		return false
	}
	t.Plain = true
	most := 0.0
	for d, name := range view.Dims() {
		if amounts[name] == 0 || named != "" && name != named {
			continue
		}
		largest, sum := int64(0), 0.0
		for _, row := range view.Order() {
			if c := view.Node(row).Node.Capacity(); d < len(c) {
				largest = max(largest, c[d])
				sum += float64(c[d])
			}
		}
		if largest == 0 {
			continue
		}
		if part := amounts[name] / sum; part > most || part == most && name < t.Primary {
			most, t.Primary, t.Largest = part, name, largest
		}
	}
	return t.Largest > 0
}

// chooseOthers notes the other resources that the mix asks for: cores lead, or else the first by name.
func (t *tuning) chooseOthers(m Mix) {
	most := map[string]int64{}
	for i := range m.kinds {
		for _, a := range m.kinds[i].amounts {
			if !t.Plain || a.name != t.Primary {
				most[a.name] = max(most[a.name], a.q)
			}
		}
	}
	for name := range most {
		t.Others = append(t.Others, name)
	}
	slices.SortFunc(t.Others, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == "cpu":
			return -1
		case b == "cpu":
			return 1
		}
		return strings.Compare(a, b)
	})
	t.Others = t.Others[:min(len(t.Others), mostOthers)]
	for _, name := range t.Others {
		t.Shift = append(t.Shift, uint(max(bits.Len64(uint64(most[name]))-20, 0)))
	}
}

// shapesOf returns the shapes of a mix, the most frequent first, and of equally frequent ones those that ask for more. Kinds of tasks that
// ask alike of the primary and of the lead are one. Their shares are told in so many parts.
func (p *gapPolicy) shapesOf(t *tuning, m Mix, parts int64) []tunedShape {
	total := m.tasks()
	type sums struct {
		tunedShape
		others []float64
		n      int64
		models string
	}
	var all []*sums
	at := map[string]*sums{}
	for i := range m.kinds {
		k := &m.kinds[i]
		shape := t.shapeOf(&k.asks)
		models := shape.Models
		shape.Models = slices.Compact(slices.Clone(models))
		if p.kind != leastFragments { // its authors go by the text: a model that is named twice makes another shape
			models = shape.Models
		}
		lead := asks{devices: []devicesAsked{{"", shape.Count, shape.Size, models}}}
		if len(t.Others) > 0 {
			lead.amounts = []amountAsked{{"", shape.Others[0]}}
		}
		key := lead.String()
		s := at[key]
		if s == nil {
			s = &sums{tunedShape: shape, others: make([]float64, len(t.Others)), models: strings.Join(models, "|")}
			at[key], all = s, append(all, s)
		}
		s.n += k.n
		for d, q := range shape.Others {
			s.others[d] += float64(float64(k.n) * float64(q))
		}
	}
	slices.SortFunc(all, func(a, b *sums) int {
		c := cmp.Compare(b.n, a.n)
		if c == 0 && len(t.Others) > 0 { // cores first, as the authors of FGD have it
			c = cmp.Compare(b.Others[0], a.Others[0])
		}
		return cmp.Or(c, cmp.Compare(b.Size, a.Size), cmp.Compare(b.Count, a.Count), strings.Compare(b.models, a.models))
	})
	shapes := make([]tunedShape, len(all))
	for i, s := range all {
		for d := range s.Others {
			s.Others[d] = int64(s.others[d] / float64(s.n))
		}
		s.Share = mulDiv(s.n, parts, total)
		shapes[i] = s.tunedShape
	}
	return shapes
}

// shapeOf returns what a task asks for.
func (t *tuning) shapeOf(a *asks) (s tunedShape) {
	for d, name := range t.Others {
		s.Others = append(s.Others, a.of(name)>>t.Shift[d])
	}
	if t.Plain {
		if q := a.of(t.Primary); q > 0 {
			s.Count, s.Size = 1, min(mulDiv(q, whole, t.Largest), 2*whole-1)+1
		}
		return s
	}
	for _, d := range a.devices {
		if d.class == t.Primary && d.units > 0 {
			s.Count = min(s.Count+d.count, mostPerNode)
			if d.units > s.Size {
				s.Size, s.Models = d.units, d.models
			}
		}
	}
	return s
}

// expects returns the most frequent shapes, which together are 95 of 100 tasks, of equal shares in all; with priced gaps also those of the
// rest that ask for several devices, as one shape for each number of them and models. Shares are told in so many parts of all tasks, and then in
// parts of a total, which is returned too.
func (p *gapPolicy) expects(shapes []tunedShape, parts int64) (_ []tunedShape, total int64) {
	covered, n := int64(0), 0
	for n < len(shapes) && n < mostShapes/2 && covered*100 < 95*parts {
		covered += shapes[n].Share
		n++
	}
	out := slices.Clone(shapes[:n])
	switch p.kind {
	case leastFragments:
		return out, max(covered, 1)
	case roomLoss:
		for i := range out {
			out[i].Share = mulDiv(out[i].Share, parts, covered)
		}
		return out, parts
	}
	rest := len(out)
	for _, s := range shapes[n:] {
		if s.Count < 2 || s.Share == 0 {
			continue
		}
		i := rest
		for i < len(out) && (out[i].Count != s.Count || !slices.Equal(out[i].Models, s.Models)) {
			i++
		}
		if i == len(out) {
			if i < mostShapes {
				s.Others = slices.Clone(s.Others)
				out = append(out, s)
			}
			continue
		}
		o := &out[i]
		for d := range o.Others {
			o.Others[d] = mulDiv(o.Others[d], o.Share, o.Share+s.Share) + mulDiv(s.Others[d], s.Share, o.Share+s.Share)
		}
		o.Share, o.Size = o.Share+s.Share, max(o.Size, s.Size)
	}
	return out, parts
}

// perPrimary returns how much of the primary tasks that ask for some take for one of each other resource, at twice the mean.
func perPrimary(shapes []tunedShape, others int) []int64 {
	primary, sums := uint64(0), make([]uint64, others)
	for i := range shapes {
		s := &shapes[i]
		share := uint64(s.Share) >> 6
		primary += share * uint64(s.units())
		for d, q := range s.Others {
			sums[d] += share * uint64(q)
		}
	}
	per := make([]int64, others)
	for d, sum := range sums {
		per[d] = min(mulDiv(int64(primary), 2<<20, max(int64(sum), 1)), mostPer) // 1/kappa is 2
	}
	return per
}

// price finds what gaps are worth, sizes of devices in hundredths and rounded up. Those of a plain resource are in five-hundredths, or
// coarser where they are more than 100 sizes: the time that prices take grows by the cube of how many there are.
func (t *tuning) price(shapes []tunedShape) {
	const mostSizes = 100
	if t.Plain {
		for _, grain := range []int64{2, 4} {
			if sizes := itemSizes(shapes, grain); len(sizes) <= mostSizes {
				t.Values = gapValues(int(whole/grain), sizes)
				return
			}
		}
	}
	const grain = 10
	t.Values = gapValues(whole/grain, itemSizes(shapes, grain))
}

// itemSizes returns the sizes that shapes ask for, in grains and rounded up.
func itemSizes(shapes []tunedShape, grain int64) (sizes []itemSize) {
	grains := whole / grain
	demand := make([]float64, grains+1)
	for i := range shapes {
		if s := &shapes[i]; s.Size > 0 && s.Size <= whole {
			demand[(s.Size+grain-1)/grain] += float64(float64(s.Share) * float64(s.Count))
		}
	}
	for g, d := range demand {
		if d > 0 {
			sizes = append(sizes, itemSize{g, d / (1 << 30)})
		}
	}
	return sizes
}

// index makes what follows from the shapes.
func (t *tuning) index() {
	if n := len(t.Values); n > 0 {
		for free := range t.gaps {
			t.gaps[free] = t.Values[free*(n-1)/whole]
		}
	}
	t.byModel = map[string][]int32{"": nil}
	for i := range t.Shapes {
		s := &t.Shapes[i]
		if t.shares += s.Share; s.Size == 0 {
			continue
		}
		if t.partOf(s) < 0 {
			t.parts = append(t.parts, tunedPart{count: s.Count, size: s.Size, models: s.Models})
			for _, model := range s.Models {
				t.byModel[model] = nil
			}
		}
	}
	slices.SortStableFunc(t.parts, func(a, b tunedPart) int { return cmp.Compare(a.size, b.size) })
	for i, p := range t.parts {
		serve := slices.Values(p.models)
		if len(p.models) == 0 {
			serve = maps.Keys(t.byModel) // whose order does not matter
		}
		for model := range serve {
			t.byModel[model] = append(t.byModel[model], int32(i))
		}
	}
	for i := range t.Shapes {
		s := &t.Shapes[i]
		if s.part = int32(t.partOf(s)); s.part < 0 {
			continue
		}
		of := partShape{others: s.Others, units: s.units(), weight: s.Weight, of: int32(i)}
		if len(s.Others) > 0 {
			of.lead = s.Others[0]
		}
		t.parts[s.part].shapes = append(t.parts[s.part].shapes, of)
	}
	for p := range t.parts {
		shapes, upTo := t.parts[p].shapes, int64(0)
		slices.SortStableFunc(shapes, func(a, b partShape) int { return cmp.Compare(a.lead, b.lead) })
		for i := range shapes {
			upTo += t.Shapes[shapes[i].of].Share
			shapes[i].upTo = upTo
		}
	}
}

// partsOf returns the parts that devices of a model may serve, the smallest first.
func (t *tuning) partsOf(model string) []int32 {
	parts, named := t.byModel[model]
	if !named {
		parts = t.byModel[""]
	}
	return parts
}

// partOf returns the part that a shape asks for, or -1 if there is none.
func (t *tuning) partOf(s *tunedShape) int {
	if s.Size == 0 {
		return -1
	}
	return slices.IndexFunc(t.parts, func(p tunedPart) bool {
		return p.count == s.Count && p.size == s.Size && slices.Equal(p.models, s.Models)
	})
}
