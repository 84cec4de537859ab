package berth

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/berth-sched/berth/internal/store"
)

// Fits reports whether a task of the group could be placed on n now: n is a node of the fork, and this
// is what [Fork.Apply] checks of it.
func (f *Fork) Fits(g *Group, n NodeView) bool {
	f.ready()
	if g.Err() != nil || !f.has(n) {
		return false
	}
	sh := f.shape(g)
	if len(sh.missing) > 0 || f.differs(sh) {
		return false
	}
	free := f.s.Free(n.row)
	for _, need := range sh.needs {
		if free[need.Dim] < need.Amount {
			return false
		}
	}
	if why := f.allowed(sh, n.row); why.Code != None {
		return false
	}
	if !g.grants() {
		return true
	}
	_, why := f.grant(g, n.row, nil, f.s.Node(n.row).Devices, f.unusedOn(n.row))
	return why.Code == None
}

// Lacks returns every reason why a task of the group cannot be placed on n now, with what is missing;
// none if it can be.
func (f *Fork) Lacks(g *Group, n NodeView) []Lack {
	f.ready()
	if err := g.Err(); err != nil {
		return []Lack{{Reason: Reason{Invalid, err.Error()}}}
	}
	if !f.has(n) {
		return []Lack{{Reason: Reason{Code: UnknownNode}}}
	}
	return f.offered(f.lacks(nil, f.shape(g), n.row), n.row)
}

// offered returns what a node lacks as its reader may know it: that a node is not offered stands for all that is short
// there.
func (f *Fork) offered(lacks []Lack, row uint32) []Lack {
	if !f.s.Node(row).Withheld {
		return lacks
	}
	all := len(lacks)
	lacks = slices.DeleteFunc(lacks, func(l Lack) bool { return l.Reason.Code.isRoom() })
	if len(lacks) < all {
		lacks = append(lacks, Lack{Reason: Reason{Code: NotOffered}})
	}
	return lacks
}

// isRoom reports whether more room would cure what a reason says.
func (c Code) isRoom() bool { return c == Insufficient || c == NoDevice || c == NoPort }

func (f *Fork) has(n NodeView) bool {
	return n.view == &f.s.View && n.exists()
}

// allowed returns the first reason other than room why a task of the group may not go on a node.
func (f *Fork) allowed(sh *shape, row uint32) Reason {
	n := f.s.Node(row)
	if n.Cordoned {
		return Reason{Code: Cordoned}
	}
	g := sh.group
	if node := n.Node.Payload.(*Node); !g.Eligible(node) {
		return g.Ineligible(node)[0]
	}
	if g.spec.Mode == Daemon && sh.known && f.s.CountOn(sh.id, row) > 0 {
		return Reason{Code: Covered}
	}
	for _, r := range g.domainRules {
		if l, full := f.domainLack(sh, row, r, false); full {
			return l.Reason
		}
	}
	return Reason{}
}

// lacks appends every reason why a task of the group cannot be placed on a node.
func (f *Fork) lacks(out []Lack, sh *shape, row uint32) []Lack {
	n := f.s.Node(row)
	node := n.Node.Payload.(*Node)
	g := sh.group
	if f.differs(sh) {
		return append(out, Lack{Reason: Reason{GroupDiffers, g.name}})
	}
	if n.Cordoned {
		out = append(out, Lack{Reason: Reason{Code: Cordoned}})
	}
	for _, why := range g.Ineligible(node) {
		l := Lack{Reason: why}
		if why.Code == RuleBroken {
			i := slices.IndexFunc(g.nodeRules, func(r NodeRule) bool { return r.String() == why.Subject })
			l.Detail = g.nodeRules[i].Why(node)
		}
		out = append(out, l)
	}
	if g.spec.Mode == Daemon && sh.known && f.s.CountOn(sh.id, row) > 0 {
		out = append(out, Lack{Reason: Reason{Code: Covered}})
	}
	for _, r := range g.domainRules {
		if l, full := f.domainLack(sh, row, r, true); full {
			out = append(out, l)
		}
	}
	return append(out, g.Shortfalls(node, func(name string) int64 {
		if d, ok := f.s.DimOf(name); ok {
			return f.s.Free(row)[d]
		}
		return 0
	}, n.Devices, n.Ports)...)
}

// Shortfalls returns what a node lacks of the room that a task of the group takes, given what is free of
// each resource, the free units of each device, and the ports in use, ascending.
func (g *Group) Shortfalls(n *Node, free func(resource string) int64, devices []int64, used []uint16) []Lack {
	if n == nil || free == nil || g.Err() != nil {
		return nil
	}
	var out []Lack
	for _, need := range g.needs {
		have := free(need.name)
		if have >= need.amount {
			continue
		}
		if i := g.deviceRequest(need.name); i >= 0 && !g.spec.Devices[i].Fits(n, devices) {
			continue // said of the devices below
		}
		short := need.amount - have
		if short < 0 { // the difference is beyond int64
			short = math.MaxInt64
		}
		out = append(out, Lack{Reason: Reason{Insufficient, need.name}, Short: short})
	}
	for i := range g.spec.Devices {
		if d := &g.spec.Devices[i]; !d.Fits(n, devices) {
			out = append(out, Lack{Reason: Reason{NoDevice, d.String()}})
		}
	}
	if g.UsesPorts() {
		if why := g.choosePorts(new(Grant), n, unused(n, used)); why.Code != None {
			out = append(out, Lack{Reason: why})
		}
	}
	return out
}

// deviceRequest returns the index of the group's request for devices of a class, or -1.
func (g *Group) deviceRequest(class string) int {
	return slices.IndexFunc(g.spec.Devices, func(d DeviceRequest) bool { return d.Class == class })
}

// domainLack says whether a rule keeps a task of the group off a node because of its domain.
func (f *Fork) domainLack(sh *shape, row uint32, r DomainRule, detail bool) (Lack, bool) {
	key := r.Domain()
	count := 0
	var value uint32
	if key == NodeID {
		if sh.known {
			count = f.s.CountOn(sh.id, row)
		}
	} else {
		id := f.s.Attrs().ID(key)
		v, ok := f.s.Node(row).Node.Attr(id)
		if !ok {
			return Lack{Reason: Reason{RuleBroken, r.String()}, Detail: "no " + key}, true
		}
		value = v
		if sh.known {
			count = f.s.CountAt(sh.id, id, value)
		}
	}
	var d Domains
	if r.Even() {
		d = f.domains(sh, key)
	}
	if count < r.Limit(d) {
		return Lack{}, false
	}
	l := Lack{Reason: Reason{DomainFull, r.String()}}
	if detail {
		l.Detail = f.domainTasks(sh, row, key)
	}
	return l, true
}

// domainTasks says which tasks of the group are in the domain of a node: "zone=a has web-1".
func (f *Fork) domainTasks(sh *shape, row uint32, key string) string {
	const most = 3
	here := NodeView{&f.s.View, row}
	at, _ := here.Attribute(key)
	var names []string
	if sh.known {
		for slot := range f.s.Members(sh.id) {
			if r := f.s.Record(slot); r.Row != store.None {
				if v, ok := (NodeView{&f.s.View, r.Row}).Attribute(key); ok && v == at {
					names = append(names, f.s.ID(slot))
				}
			}
		}
	}
	slices.Sort(names)
	if n := len(names); n > most {
		names = append(names[:most], fmt.Sprintf("%d more", n-most))
	}
	label := key + "="
	if key == NodeID {
		label = ""
	}
	return fmt.Sprintf("%s%v has %s", label, at, strings.Join(names, ", "))
}

// Domains sums up the group's domains under an attribute: those of the nodes that are eligible for it
// and not cordoned.
func (f *Fork) Domains(g *Group, key string) Domains {
	f.ready()
	if g.Err() != nil {
		return Domains{}
	}
	return f.domains(f.shape(g), key)
}

func (f *Fork) domains(sh *shape, key string) Domains {
	a := f.area(sh.group, key)
	d := Domains{Number: len(a.values)}
	if !sh.known || d.Number == 0 {
		return d
	}
	d.Least = -1
	id := f.s.Attrs().ID(key)
	for v := range a.values {
		n := 0
		if key == NodeID {
			n = f.s.CountOn(sh.id, v)
		} else {
			n = f.countAt(sh, id, v)
		}
		if d.Least < 0 || n < d.Least {
			d.Least = n
		}
	}
	return d
}

// countAt is the store's count where it keeps one, and counts where the group's rules do not name the
// attribute.
func (f *Fork) countAt(sh *shape, key, value uint32) int {
	if slices.Contains(sh.keys, key) {
		return f.s.CountAt(sh.id, key, value)
	}
	n := 0
	for slot := range f.s.Members(sh.id) {
		if r := f.s.Record(slot); r.Row != store.None {
			if v, ok := f.s.Node(r.Row).Node.Attr(key); ok && v == value {
				n++
			}
		}
	}
	return n
}

// maxAreas bounds what a fork remembers of eligible nodes; beyond it starts anew.
const maxAreas = 4096

// area returns the eligible nodes by domain; under [NodeID] the domains are the rows.
func (f *Fork) area(g *Group, key string) *area {
	name := g.eligibility + "\x00" + key
	a := f.areas[name]
	if a != nil && a.at == f.nodes {
		return a
	}
	a = &area{at: f.nodes, values: map[uint32]int{}}
	if f.areas == nil || len(f.areas) >= maxAreas {
		f.areas = map[string]*area{}
	}
	f.areas[name] = a
	id := f.s.Attrs().ID(key)
	for row := range uint32(f.s.Rows()) {
		n := f.s.Node(row)
		if n.Node == nil || n.Cordoned || !g.Eligible(n.Node.Payload.(*Node)) {
			continue
		}
		if key == NodeID {
			a.values[row]++
		} else if v, ok := n.Node.Attr(id); ok {
			a.values[v]++
		}
	}
	return a
}

// Explain says why no node can take a task of the group now; for a group that some node can take it
// tells the same of the other nodes. It looks at every node.
func (f *Fork) Explain(g *Group) *Explanation {
	e := &Explanation{Nodes: f.ready().s.Nodes()}
	if err := g.Err(); err != nil {
		e.Counts = []ReasonCount{{Reason{Invalid, err.Error()}, e.Nodes}}
		return e
	}
	sh := f.shape(g)
	counts := map[Reason]int{}
	var buf []Lack
	var nearest nearness
	for _, row := range f.s.Sorted() {
		buf = f.lacks(buf[:0], sh, row)
		near := nearnessOf(g, buf)
		buf = f.offered(buf, row)
		for i, l := range buf {
			if !slices.ContainsFunc(buf[:i], func(o Lack) bool { return o.Reason == l.Reason }) {
				counts[l.Reason]++
			}
		}
		if len(buf) == 0 {
			continue
		}
		if e.Nearest == nil || near.less(nearest) {
			nearest = near
			e.Nearest = &NearMiss{Node: f.s.Node(row).Node.ID, Lacks: slices.Clone(buf)}
		}
	}
	for r, n := range counts {
		e.Counts = append(e.Counts, ReasonCount{r, n})
	}
	SortReasons(e.Counts)
	return e
}

// nearness orders near misses: the fewest reasons that more room would not cure, then the fewest
// that it would, then the least greatest shortfall relative to the request.
type nearness struct {
	rules, rooms int
	short, need  uint64
}

func nearnessOf(g *Group, lacks []Lack) nearness {
	n := nearness{need: 1}
	for _, l := range lacks {
		switch l.Reason.Code {
		case Insufficient:
			n.rooms++
			i, _ := slices.BinarySearchFunc(g.needs, l.Reason.Subject, func(n need, s string) int { return cmp.Compare(n.name, s) })
			if short, need := uint64(l.Short), uint64(g.needs[i].amount); n.short == 0 || ratioLess(n.short, n.need, short, need) {
				n.short, n.need = short, need
			}
		case NoDevice, NoPort:
			n.rooms++
		default:
			n.rules++
		}
	}
	return n
}

func (n nearness) less(o nearness) bool {
	if c := cmp.Or(cmp.Compare(n.rules, o.rules), cmp.Compare(n.rooms, o.rooms)); c != 0 {
		return c < 0
	}
	return ratioLess(n.short, n.need, o.short, o.need)
}

// ratioLess reports whether a/b < c/d, exactly.
func ratioLess(a, b, c, d uint64) bool {
	h1, l1 := bits.Mul64(a, d)
	h2, l2 := bits.Mul64(c, b)
	return h1 < h2 || h1 == h2 && l1 < l2
}
