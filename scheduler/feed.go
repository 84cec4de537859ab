package scheduler

import (
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// feed tells a [Run] what has happened to its State since it last looked: which tasks ended and how, and whether
// something changed that could help a task for which there was no room. It is guarded by the State's lock.
type feed struct {
	ended  []ending
	nodes  []string      // added or described anew
	room   bool          // a task or a hold ended, or nodes or limits changed
	hope                 // of tasks that wait
	opened bool          // it came true
	unsure bool          // commands were replayed: anything may have happened
	woken  chan struct{} // has a token when a task ended, which is no change of the State if it was lost before
}

// ending is a task that is on its node no longer.
type ending struct {
	task string
	how  endingKind
	node string // that was removed
}

type endingKind uint8

const (
	endReleased endingKind = iota // or evicted
	endLost                       // its node was removed; the State still knows the task
	endExpired
)

// subscribe returns a feed that tells of what happens from now on.
func (s *State) subscribe() *feed {
	s.lock()
	defer s.mu.Unlock()
	f := &feed{woken: make(chan struct{}, 1)}
	s.feeds = append(s.feeds, f)
	return f
}

func (s *State) unsubscribe(f *feed) {
	s.lock()
	defer s.mu.Unlock()
	s.feeds = slices.DeleteFunc(s.feeds, func(o *feed) bool { return o == f })
	maps.DeleteFunc(s.owners, func(_ string, o *feed) bool { return o == f })
}

// own makes a task that of the Run with the feed.
func (s *State) own(f *feed, task string) {
	s.lock()
	defer s.mu.Unlock()
	if s.owners == nil {
		s.owners = map[string]*feed{}
	}
	s.owners[task] = f
}

func (s *State) disown(f *feed, task string) {
	s.lock()
	defer s.mu.Unlock()
	if s.owners[task] != f {
		return
	}
	if delete(s.owners, task); len(s.owners) == 0 {
		s.owners = nil // a map keeps the room it once needed
	}
}

// isFirst reports whether the Run with the feed is the one that began first: it tells of what is nobody's.
func (s *State) isFirst(f *feed) bool {
	s.lock()
	defer s.mu.Unlock()
	return len(s.feeds) > 0 && s.feeds[0] == f
}

// ownedByOther reports whether a task is that of another Run than the one with the feed.
func (s *State) ownedByOther(f *feed, task string) bool {
	s.lock()
	defer s.mu.Unlock()
	o := s.owners[task]
	return o != nil && o != f
}

// read returns what the feed has, and empties it.
func (s *State) read(f *feed) feed {
	s.lock()
	defer s.mu.Unlock()
	news := *f
	*f = feed{hope: f.hope, woken: f.woken}
	f.last = nil
	return news
}

// hope is what may help tasks that wait, besides room.
type hope struct {
	opens   map[string]bool         // a placement of their own group, which is one of these
	awaited map[berth.Selector]bool // one that a selector chooses
	stops   bool                    // that a task begins to stop
	held    bool                    // anything: an order of the host's let the task wait
	last    *berth.Group            // the last that selectors were asked about
}

// of adds what may help a task that is unplaced, for a reason and perhaps others. One of its own group may if so told.
func (h *hope) of(t berth.Task, own bool, why berth.Reason, others *cluster.Explanation) {
	rules := t.Group.Requirements().Counted
	if h.opens == nil && (own || len(rules) > 0) {
		h.opens, h.awaited = map[string]bool{}, map[berth.Selector]bool{}
	}
	if own {
		h.opens[t.Group.Name()] = true
	}
	h.stops = h.stops || why.Code == berth.KeptApart
	h.held = h.held || why.Code == berth.HeldBack
	if others != nil {
		h.stops = h.stops || slices.ContainsFunc(others.Counts, func(c cluster.ReasonCount) bool { return c.Reason.Code == berth.KeptApart })
	}
	for i := range rules {
		r := &rules[i]
		h.stops = h.stops || r.WithoutStopping
		if r.Relation.Opens() || r.Even {
			h.awaited[r.Of] = true
		}
	}
}

// unplaced has the feed tell when there is hope for tasks that are unplaced, besides those named before or, with afresh, instead
// of them. The State was planned on at a version: what came since is told.
func (s *State) unplaced(f *feed, more hope, afresh bool, at cluster.Version) {
	s.lock()
	defer s.mu.Unlock()
	if afresh {
		f.hope = hope{}
	}
	if len(more.opens)+len(more.awaited) == 0 && !more.stops && !more.held {
		return
	}
	if f.opens == nil {
		f.opens, f.awaited = map[string]bool{}, map[berth.Selector]bool{}
	}
	maps.Copy(f.opens, more.opens)
	maps.Copy(f.awaited, more.awaited)
	f.stops, f.held, f.last = f.stops || more.stops, f.held || more.held, nil
	if now := s.live.fork.Version(); now.SameLineage(at) && now != at {
		f.opened = true
	}
}

func (s *State) hasNode(id string) bool {
	s.lock()
	defer s.mu.Unlock()
	_, ok := s.live.fork.Node(id)
	return ok
}

// on returns the tasks on nodes that are about to be removed, if somebody wants to know.
func (s *State) on(nodes []string) (tasks []ending) {
	if len(s.feeds) == 0 {
		return nil
	}
	for _, id := range nodes {
		n, ok := s.live.fork.Node(id)
		if !ok {
			continue
		}
		for t := range n.Tasks() {
			tasks = append(tasks, ending{t.ID, endLost, id})
		}
	}
	return tasks
}

// tell adds a command that was carried out to the feeds. lost are the tasks whose nodes it removed.
func (s *State) tell(c *Command, lost []ending) {
	for _, f := range s.feeds {
		f.ended = append(f.ended, lost...)
		for _, nodes := range [][]berth.Node{c.Added, c.Updated} {
			for i := range nodes {
				f.nodes = append(f.nodes, nodes[i].ID)
			}
		}
		f.opened = f.opened || f.stops && len(c.Stopped) > 0 || f.held && len(c.Ops)+len(c.Adopted) > 0
		if len(c.Added)+len(c.Updated)+len(c.Removed)+len(c.Cordoned)+len(c.Uncordoned)+len(c.Quotas) > 0 {
			f.room = true
		}
		for i := range c.Readopted { // if it is still on its node that is no news
			f.ended = append(f.ended, ending{task: c.Readopted[i].Task.ID, how: endReleased})
			f.room = true
		}
		for i := range c.Adopted {
			f.placed(c.Adopted[i].Task)
		}
		f.ops(c.Ops)
	}
}

func (f *feed) ops(ops []berth.Op) {
	for i := range ops {
		switch op := &ops[i]; op.Kind {
		case berth.Place:
			f.placed(op.Task)
		case berth.Release, berth.Evict:
			f.ended = append(f.ended, ending{task: op.ID, how: endReleased})
			f.room = true
			select {
			case f.woken <- struct{}{}:
			default: // it has a token
			}
		case berth.Drop:
			f.room = true
		}
	}
}

func (f *feed) placed(t berth.Task) {
	if f.opened {
		return
	}
	f.opened = len(f.opens) > 0 && f.opens[t.Group.Name()]
	if len(f.awaited) > 0 && t.Group != f.last { // placements come group by group
		f.last = t.Group
		for s := range f.awaited {
			f.opened = f.opened || s.Matches(t.Group)
		}
	}
}

// mayOpen reports whether a task of the group that is placed may help another one of it: by completing a gang, or
// by raising the least number of tasks that its domains have.
func mayOpen(g *berth.Group) bool {
	return g.Mode() == berth.Gang || slices.ContainsFunc(g.Requirements().DomainRules, func(r berth.DomainRule) bool { return r.Counts().Even })
}
