package offers

import (
	"math"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// always is the latest deadline a hold can have.
var always = time.Unix(0, math.MaxInt64)

// ground is what all overlays begin as that show every node.
type ground struct {
	store *store.Store // nil until a Book is read; brought up to date as the source is followed
	shut  store.Shut   // what its nodes have in common
}

// groundFor returns the ground, as it is now.
func (x *Exchange) groundFor() *store.Store {
	g := &x.ground
	if g.store == nil || !g.store.Follow(x.view) {
		g.store = x.view.Ground(true, g.shut)
	}
	return g.store
}

// follow keeps the ground, if there is one, in line with a node whose description may have changed.
func (g *ground) follow(v *store.View, s *site) {
	if g.store == nil {
		return
	}
	if !g.store.Follow(v) {
		g.store = nil
		return
	}
	row, known := g.store.FindNode(s.id)
	if s.node == nil {
		if known {
			g.store.RemoveNode(row)
		}
		return
	}
	row = describe(g.store, s, v.Node(s.row).Cordoned)
	g.store.Expose(row, nil, g.shut)
}

// describe adds a node to a store that shares descriptions with the source, or describes anew one that nothing is on.
func describe(st *store.Store, s *site, cordoned bool) uint32 {
	row, known := st.FindNode(s.id)
	switch {
	case !known:
		row = st.AddNode(s.node)
	case st.Node(row).Node != s.node:
		st.SetNode(row, s.node, func(r *store.Record) *store.Extra { return r.Extra })
	}
	st.SetCordoned(row, cordoned)
	return row
}

// openAt returns what a node has free for the framework, by its offers: of an optimistic one what nobody took. It also returns what they
// are charged in the source.
func (b *Book) openAt(s *site) (open []*store.Extra, owned store.Sums) {
	x := b.sub.x
	for _, o := range s.offers {
		if o.sub != b.sub {
			continue
		}
		slot, ok := x.slotOf(o)
		if !ok {
			continue
		}
		extra := x.view.Record(slot).Extra
		owned.Add(extra.Cost, 1)
		if extra.Hold.Lease == berth.Optimistic {
			extra = x.leftOf(extra.Hold, s)
		}
		open = append(open, extra)
	}
	return open, owned
}

// leftOf returns what is still free of an optimistic hold.
func (x *Exchange) leftOf(h *berth.Hold, s *site) *store.Extra {
	state := x.view.Node(s.row)
	left := &store.Extra{}
	for name, q := range h.Cost().All() {
		if d, ok := x.view.DimOf(name); ok {
			left.Needs = append(left.Needs, store.Need{Dim: d, Amount: min(q, max(0, x.view.FreeOf(s.row, d)))})
		}
	}
	for i, share := range fit.DevicesOf(state.Node.Spec, h.Devices) {
		if i < 0 {
			continue
		}
		for cell, q := range fit.Cells(state.Node.Spec, i, share) {
			if q = min(q, state.Devices[cell]); q > 0 {
				left.Devices = append(left.Devices, store.DeviceShare{Index: cell, Units: q})
			}
		}
	}
	for _, port := range h.Ports {
		if store.PortsMeeting(state.Ports, port) == 0 {
			left.Ports = append(left.Ports, port)
		}
	}
	return left
}
