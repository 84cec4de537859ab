package offers

import (
	"maps"
	"slices"
	"time"
)

// manyPauses is how often a pause is doubled.
const manyPauses = 6

// manners is how a framework goes about its offers, where there is a back-off.
type manners struct {
	paused  bool      // it is offered nothing
	until   time.Time // this
	spurned bool      // for it gave back all that it had
	idle    int       // leases that ended since its last answer
	waste   int       // times in a row that it gave back all that it had and placed nothing
	used    bool      // it has placed or reserved something since it had no offer
}

// use notes that a framework has made use of what it was offered.
func (m *manners) use() { m.waste, m.used = 0, true }

// pause has a framework that let a lease end without a word wait before it is offered anything.
func (x *Exchange) pause(s *Subscription) {
	if x.cfg.Backoff != 0 && !s.paused {
		s.idle++
		s.spurned = false
		x.wait(s, x.cfg.Backoff<<min(s.idle-1, manyPauses))
	}
}

// wait has a framework be offered nothing for a time.
func (x *Exchange) wait(s *Subscription, d time.Duration) {
	if !s.paused {
		x.pausing = append(x.pausing, s)
	}
	s.paused, s.until = true, x.now.Add(d)
}

// mind notes what an answer tells of a framework: that it uses what it is offered or, once it has no more offers, that it has used none of them.
func (x *Exchange) mind(s *Subscription, a Answers) {
	if x.cfg.DeclineBackoff == 0 {
		return
	}
	if a.Placed > 0 {
		s.use()
	}
	if a.Placed+a.Accepted+a.Declined == 0 || len(s.offers) > 0 {
		return
	}
	if !s.used {
		s.waste++
		s.spurned = true
		x.wait(s, x.cfg.DeclineBackoff<<min(s.waste-1, manyPauses))
	}
	s.used = false
}

// resume has a framework take part again that has given a sign of life.
func (x *Exchange) resume(s *Subscription) {
	if s.idle = 0; s.paused && !s.spurned {
		s.until = x.now
		x.endPauses()
	}
}

// endPauses has those asked again whose pause is over, and forgets what is known of frameworks that left long ago.
func (x *Exchange) endPauses() {
	x.pausing = slices.DeleteFunc(x.pausing, func(s *Subscription) bool {
		if x.now.Before(s.until) && !s.gone {
			return false
		}
		s.paused, s.spurned = false, false
		x.hurry(s)
		return true
	})
	if len(x.partings) > 0 && !x.now.Before(x.forgetAt) {
		x.forgetAt = time.Time{}
		maps.DeleteFunc(x.partings, func(_ string, m manners) bool {
			at := x.forgets(m)
			if x.now.Before(at) && (x.forgetAt.IsZero() || at.Before(x.forgetAt)) {
				x.forgetAt = at
			}
			return !x.now.Before(at)
		})
	}
}

// forgets returns until when the manners of a framework that has left are remembered: as long as the longest pause after its own.
func (x *Exchange) forgets(m manners) time.Time {
	return m.until.Add(max(x.cfg.Backoff, x.cfg.DeclineBackoff) << manyPauses)
}

// partWith remembers the manners of a framework that leaves, so that it does not begin anew by coming back under its name.
func (x *Exchange) partWith(s *Subscription) {
	if s.idle == 0 && s.waste == 0 {
		return
	}
	if x.partings == nil {
		x.partings = map[string]manners{}
	}
	x.partings[s.client.name] = s.manners
	if at := x.forgets(s.manners); x.forgetAt.IsZero() || at.Before(x.forgetAt) {
		x.forgetAt = at
	}
}

// greet gives a framework the manners that it had when it left.
func (x *Exchange) greet(s *Subscription) {
	m, ok := x.partings[s.client.name]
	if !ok {
		return
	}
	delete(x.partings, s.client.name)
	s.idle, s.waste = m.idle, m.waste
	if x.now.Before(m.until) {
		s.spurned = m.spurned
		x.wait(s, m.until.Sub(x.now))
	}
}
