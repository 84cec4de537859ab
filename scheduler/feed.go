package scheduler

import (
	"maps"
	"slices"

	"github.com/berth-sched/berth"
)

// feed tells a [Run] what has happened to its State since it last looked: which tasks ended and how, and whether
// something changed that could help a task for which there was no room. It is guarded by the State's lock.
type feed struct {
	ended  []ending
	nodes  []string        // added or described anew
	room   bool            // a task or a hold ended, or nodes changed
	opens  map[string]bool // groups of waiting tasks that a placement of their own group may help
	opened bool            // one of those got a task
	unsure bool            // commands were replayed: anything may have happened
	woken  chan struct{}   // has a token when a task ended, which is no change of the State if it was lost before
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
	*f = feed{opens: f.opens, woken: f.woken}
	return news
}

// unplaced has the feed tell when one of the groups gets a task, besides those named before or, with afresh, instead
// of them. The State was planned on at a version: what came since is told.
func (s *State) unplaced(f *feed, groups []string, afresh bool, at berth.Version) {
	s.lock()
	defer s.mu.Unlock()
	if afresh {
		f.opens = nil
	}
	if len(groups) == 0 {
		return
	}
	if f.opens == nil {
		f.opens = map[string]bool{}
	}
	for _, g := range groups {
		f.opens[g] = true
	}
	if now := s.ledger.fork.Version(); now.SameLineage(at) && now != at {
		f.opened = true
	}
}

func (s *State) hasNode(id string) bool {
	s.lock()
	defer s.mu.Unlock()
	_, ok := s.ledger.fork.Node(id)
	return ok
}

// on returns the tasks on nodes that are about to be removed, if somebody wants to know.
func (s *State) on(nodes []string) (tasks []ending) {
	if len(s.feeds) == 0 {
		return nil
	}
	for _, id := range nodes {
		n, ok := s.ledger.fork.Node(id)
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
		if len(c.Added)+len(c.Updated)+len(c.Removed)+len(c.Cordoned)+len(c.Uncordoned) > 0 {
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
	if len(f.opens) > 0 && f.opens[t.Group.Name()] {
		f.opened = true
	}
}

// mayOpen reports whether a task of the group that is placed may help another one of it: by completing a gang, or
// by raising the least number of tasks that its domains have.
func mayOpen(g *berth.Group) bool {
	if g.Mode() == berth.Gang {
		return true
	}
	for _, rule := range g.Spec().Rules {
		if r, ok := rule.(berth.DomainRule); ok && r.Even() {
			return true
		}
	}
	return false
}
