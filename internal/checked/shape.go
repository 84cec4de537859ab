package checked

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// shape is what a group's requests are in terms of one store.
type shape struct {
	group   *berth.Group
	hash    uint32 // of its name
	dims    int    // how many dimensions there were
	naming  uint64 // under which names
	id      uint32
	known   bool
	kin     uint32 // a group of its name in the store, itself if that is known
	named   bool   // whether there is one
	needs   []store.Need
	missing []string // the resources needed that no node ever had
	keys    []uint32
	asked   asked
}

// shape returns what a group is in terms of the fork's store. It is good for a few more calls.
func (f *Fork) shape(g *berth.Group) *shape { return f.shapeOf(g, store.Pick{}) }

// shapeOf is shape for the group of a task that was picked.
func (f *Fork) shapeOf(g *berth.Group, pick store.Pick) *shape {
	if f.isLatest(g) {
		return &f.shapes[f.latest]
	}
	return f.shapeBy(g, pick)
}

// isLatest reports whether a group is the one that was asked about last, and the store has it as it was then.
func (f *Fork) isLatest(g *berth.Group) bool {
	sh := &f.shapes[f.latest]
	return sh.group == g && sh.known && len(sh.missing) == 0 && sh.naming == f.s.Naming() && f.undone == f.s.Undone() && f.s.SpecOf(sh.id) == g
}

// shapeBy is shape, and shapeOf, for a group that is not the latest.
func (f *Fork) shapeBy(g *berth.Group, pick store.Pick) *shape {
	if undone := f.s.Undone(); undone != f.undone { // what these followed may never have been
		f.undone, f.shapes, f.domainsOf, f.spreads, f.spreadCells, f.allowance = undone, [len(f.shapes)]shape{}, nil, nil, 0, allowance{}
	}
	i := slices.IndexFunc(f.shapes[:], func(sh shape) bool { return sh.group == g })
	if i < 0 {
		i, f.oldest = f.oldest, (f.oldest+1)%len(f.shapes)
		hash := pick.Name()
		if !pick.Made() {
			hash = store.Hash(g.Name())
		}
		f.shapes[i] = shape{group: g, hash: hash, dims: -1}
	}
	f.latest = i
	sh := &f.shapes[i]
	if naming := f.s.Naming(); sh.naming != naming {
		sh.naming, sh.dims = naming, -1
	}
	if !sh.known || f.s.SpecOf(sh.id) != g {
		sh.kin, sh.named, sh.known = f.s.FindRevision(sh.hash, g)
		if sh.id = sh.kin; sh.known {
			if known := f.s.Group(sh.id); known.Spec == g {
				sh.needs, sh.keys, sh.missing, sh.dims = known.Request, known.Keys, nil, len(f.s.Dims())
				return sh
			}
		}
	}
	if n := len(f.s.Dims()); sh.dims != n && (sh.dims < 0 || len(sh.missing) > 0) {
		sh.needs, sh.missing = make([]store.Need, 0, len(g.Requirements().Needs)), nil
		for _, need := range g.Requirements().Needs {
			if d, ok := f.s.DimOf(need.Name); ok {
				sh.needs = append(sh.needs, store.Need{Dim: d, Amount: need.Amount})
			} else {
				sh.missing = append(sh.missing, need.Name)
			}
		}
		if sh.keys == nil {
			for _, r := range g.Requirements().DomainRules {
				if name := r.Domain(); name != berth.NodeID {
					sh.keys = append(sh.keys, f.s.Attrs().ID(name))
				}
			}
			slices.Sort(sh.keys)
			sh.keys = slices.Compact(sh.keys)
		}
		sh.dims = n
	}
	return sh
}

// ensureGroup returns the number of a group, adding it if it is new. Tasks of one name are counted by what the rules of any of its
// specs count by.
func (f *Fork) ensureGroup(sh *shape) uint32 {
	if !sh.known {
		var kin []uint32
		if sh.named {
			kin = f.s.Kin(sh.kin)
			known := f.s.Group(sh.kin).Keys // as all of the name have them
			if slices.ContainsFunc(sh.keys, func(k uint32) bool { return !slices.Contains(known, k) }) {
				for _, id := range kin {
					f.s.AddKeys(id, sh.keys)
				}
			}
			sh.keys = slices.Clone(f.s.Group(sh.kin).Keys)
		}
		sh.id = f.s.AddGroupBy(sh.hash, kin, store.Group{Name: sh.group.Name(), Spec: sh.group, Request: sh.needs, Keys: sh.keys, Asks: countersOf(f.s, sh.group)})
		sh.known, sh.kin, sh.named = true, sh.id, true
	}
	return sh.id
}

// Ensure returns the number that a group has in the store, which has it from then on, and whose next record is to be one of it.
func (f *Fork) Ensure(g *berth.Group) uint32 {
	for i := range g.Requirements().Needs {
		f.s.Dim(g.Requirements().Needs[i].Name)
	}
	return f.ensureGroup(f.shape(g))
}

func (f *Fork) compileNode(n *berth.Node) *store.Node { return f.compileOwn(n.Clone()) }

// compileOwn is compileNode of a node that is the store's to keep.
func (f *Fork) compileOwn(n *berth.Node) *store.Node {
	capacity := n.Capacity
	devices, at := fit.All(n), len(n.Devices)
	var classes map[string]bool
	if len(n.Devices) > 0 {
		capacity, classes = capacity.Clone(), make(map[string]bool)
	}
	for i, d := range n.Devices {
		if d.Unhealthy { // the class is known, though nobody gets of it
			devices[i] = 0
			clear(devices[at : at+len(d.Capacity)])
		}
		classes[d.Class] = true
		capacity[d.Class] += devices[i]
		for amount := range d.Capacity.All() {
			name := berth.DeviceResource(d.Class, amount)
			classes[name] = true
			capacity[name] += devices[at]
			at++
		}
	}
	out := &store.Node{ID: n.ID, Spec: n, Devices: devices}
	for name, q := range capacity.All() {
		out.SetCapacity(f.s.Dim(name), q)
	}
	in := f.s.Attrs()
	var few [16]string
	names := slices.AppendSeq(few[:0], maps.Keys(n.Attributes))
	slices.Sort(names)
	if len(names) > 0 {
		out.Attrs = make([]store.Attr, 0, len(names))
	}
	for _, name := range names {
		v, _ := n.Attribute(name)
		out.Attrs = append(out.Attrs, store.Attr{Key: in.ID(name), Value: f.s.Value(v)})
	}
	slices.SortFunc(out.Attrs, func(a, b store.Attr) int { return int(int64(a.Key) - int64(b.Key)) })
	out.Class = store.ClassOf(classText(n))
	f.s.Catalog().Note(out.Attrs, slices.Sorted(maps.Keys(classes)))
	return out
}

// classText is equal for nodes that are alike in all that eligibility and scores look at, but their IDs and attributes, those of
// their devices included.
func classText(n *berth.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%t", n.Unschedulable)
	for name, q := range n.Capacity.All() {
		if q != 0 {
			fmt.Fprintf(&b, " %q:%d", name, q)
		}
	}
	for _, t := range n.Taints {
		fmt.Fprintf(&b, " taint %q %q %d", t.Key, t.Value, t.Effect)
	}
	for _, d := range n.Devices {
		fmt.Fprintf(&b, " device %q %q %t", d.Class, d.Model, d.Unhealthy)
		for amount, q := range d.Capacity.All() {
			fmt.Fprintf(&b, " of %q:%d", amount, q)
		}
	}
	return b.String()
}
