package offers

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// awaitedRoom is the nodes on which room is kept for the instance of a daemon that waits there for more of it: what is free of what the instance
// takes is offered to nobody else, and so adds up until it is enough. On the fork of a pass it stands as tasks that are in no offer.
type awaitedRoom struct {
	sites   map[*site][]*Subscription // those for whose daemons some is kept; none where nothing is free yet
	waiters []waiter                  // who wanted daemons when it was kept
}

// waiter is a framework that wants a daemon.
type waiter struct {
	sub   *Subscription
	group *berth.Group
	nodes *suited // that its terms let it use
}

// waiters returns who wants daemons now.
func (x *Exchange) waiters() (all []waiter) {
	for _, s := range x.slots {
		if s == nil || !s.takesPart() || s.most > 0 && len(s.offers) >= s.most {
			continue
		}
		for i := range s.wants {
			if w := &s.wants[i]; w.group.Mode() == berth.Daemon && w.left > 0 {
				all = append(all, waiter{s, w.group, s.nodes})
			}
		}
	}
	return all
}

// freeKept makes the next pass put the nodes on which room is kept to everybody, once somebody wants its daemon no more, or another one. It is
// asked before a pass, and costs something only where room is kept.
func (x *Exchange) freeKept() {
	if len(x.awaited.sites) == 0 {
		return
	}
	now := x.waiters()
	if slices.Equal(now, x.awaited.waiters) {
		return
	}
	for s := range x.awaited.sites {
		x.freshen(s)
	}
	x.awaited = awaitedRoom{}
}

// keepRoom keeps the room of all daemons that wait on a node. It is asked once the daemons had their turn there.
func (p *pass) keepRoom(at *site) {
	x := p.x
	delete(x.awaited.sites, at)
	p.kept.add(at.row)
	if x.cfg.Lease != berth.Exclusive || at.node == nil {
		return
	}
	for _, s := range p.picky {
		for i := range s.wants {
			w := &s.wants[i]
			if w.group.Mode() == berth.Daemon && w.left > 0 && !at.awaits(s, w.group) && x.suits(s, at) {
				p.keep(s, w, at)
			}
		}
	}
}

// keep keeps what is free on a node of what the instance of a daemon takes, if room is all that it lacks.
func (p *pass) keep(s *Subscription, w *want, at *site) {
	fork := p.fork(s)
	node, ok := fork.Node(at.id)
	if !ok || p.x.hasFilters(s, at.row) && p.x.refuses(s, at, true, most(w, node)) {
		return
	}
	var lacks []berth.Lack
	if !p.guard(s, w, func() bool {
		lacks = fork.Lacks(w.group, node)
		return fit.WaitsForRoom(lacks)
	}) {
		return
	}
	if p.x.awaited.sites == nil {
		p.x.awaited.sites = map[*site][]*Subscription{}
	}
	who := p.x.awaited.sites[at]
	p.x.awaited.sites[at] = who
	for _, g := range fit.Keepers(w.group.Name(), w.group, lacks) {
		if _, why := fork.Apply(berth.Op{Kind: berth.Place, Task: g.Task(p.unit()), Node: at.id}); why.Code == berth.None {
			p.x.awaited.sites[at] = append(who, s)
			return
		}
	}
}

// keepElsewhere keeps the room on nodes that were not put to anybody yet, for who looks for places on all nodes, as for a gang.
func (p *pass) keepElsewhere() {
	x := p.x
	for _, row := range x.view.Order() {
		if x.room.has(row) && !p.kept.has(row) {
			p.keepRoom(x.rows[row])
		}
	}
}
