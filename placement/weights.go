package placement

import (
	"slices"

	"github.com/berth-sched/berth/internal/store"
)

// weigh gives shapes their weights: how often one comes for what it takes, the more the less room there is for it in the cluster; with
// priced gaps, no more of that where there is more room than those who ask for at least as much could use.
func (p *gapPolicy) weigh(t *tuning, view *store.View) {
	var perTask, demand int64
	for i := range t.Shapes {
		if s := &t.Shapes[i]; s.part >= 0 {
			perTask += s.Share / s.units()
			demand += s.Share * s.units() >> 10
		}
	}
	free, rooms := int64(0), make([]int64, len(t.Shapes))
	if view != nil {
		free = t.roomsIn(view, rooms)
	}
	few := int64(20 * whole)
	if p.kind == roomLoss {
		few = 100 * whole
	}
	for i := range t.Shapes {
		s := &t.Shapes[i]
		if s.part < 0 {
			continue
		}
		s.Weight = mulDiv(s.Share/s.units(), 1<<20, max(perTask, 1))
		if view == nil {
			continue
		}
		s.Weight = min(mulDiv(s.Weight, free+few, rooms[i]+few), mostWeighs)
		if p.kind == pricedGaps {
			if need := mulDiv(free, t.hard(s), max(demand, 1)); need < rooms[i] {
				s.Weight = mulDiv(s.Weight, need+few, rooms[i]+few)
			}
		}
	}
	for p := range t.parts {
		for i := range t.parts[p].shapes {
			s := &t.parts[p].shapes[i]
			s.weight = t.Shapes[s.of].Weight
		}
	}
}

// hard returns what of the primary is asked for by shapes that are at least as hard to serve as one.
func (t *tuning) hard(than *tunedShape) (sum int64) {
	for i := range t.Shapes {
		s := &t.Shapes[i]
		if s.part < 0 || s.Count < than.Count || s.Size < than.Size {
			continue
		}
		within := len(than.Models) == 0
		if !within && len(s.Models) > 0 {
			within = true
			for _, model := range s.Models {
				within = within && slices.Contains(than.Models, model)
			}
		}
		if within {
			sum += s.Share * s.units() >> 10
		}
	}
	return sum
}

// roomsIn adds up what each shape could use of what is free on all nodes, and returns what is free.
func (t *tuning) roomsIn(view *store.View, rooms []int64) (free int64) {
	primary, _ := view.DimOf(t.Primary)
	g, names := new(gapView), view.Dims()
	idle := map[idleNode]int{}
	var nodes []int64 // of each that is idle, how many are as that
	var first []uint32
	look := func(row uint32, times int64) {
		if t.Plain {
			g.plain(view.Free(row)[primary])
		} else {
			n, units := view.Node(row).Node.Spec, view.Node(row).Devices
			for i := range n.Devices {
				if d := &n.Devices[i]; i < len(units) && d.Class == t.Primary {
					g.device(d.Model, units[i])
				}
			}
			g.end()
		}
		free += times * g.idle
		g.rooms(rooms, times)
	}
	for _, row := range view.Order() {
		g.begin(t)
		g.amounts(names, view.Free(row))
		key, is := t.idleAs(g, view.Node(row))
		if !is {
			look(row, 1)
			continue
		}
		i, known := idle[key]
		if !known {
			i = len(first)
			idle[key], first, nodes = i, append(first, row), append(nodes, 0)
		}
		nodes[i]++
	}
	for i, row := range first {
		g.begin(t)
		g.amounts(names, view.Free(row))
		look(row, nodes[i])
	}
	return free
}

// idleNode is what nodes are alike in of which no device is in use: so many nodes are for as long as a cluster is hardly in use that one is looked at for all.
type idleNode struct {
	others [mostOthers]int64
	model  string
	n      int // devices
}

// idleAs returns what a node is alike in with others of which no device is in use; false if one is, or they are not of one kind.
func (t *tuning) idleAs(g *gapView, n *store.NodeState) (idleNode, bool) {
	devices := n.Node.Spec.Devices
	if t.Plain || len(devices) == 0 || len(n.Devices) != len(devices) {
		return idleNode{}, false
	}
	model := devices[0].Model
	for i, units := range n.Devices {
		if d := &devices[i]; units != whole || d.Model != model || d.Class != t.Primary {
			return idleNode{}, false
		}
	}
	return idleNode{g.others, model, len(devices)}, true
}
