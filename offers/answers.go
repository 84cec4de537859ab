package offers

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
)

// Answers is what became, during one call, of offers that a framework had. An offer of which a task has drawn a part is not answered: the
// rest of it stands.
type Answers struct {
	Framework string     `json:"framework"`
	Role      berth.Role `json:"role"`                // in which the offers were made to it
	Accepted  int        `json:"accepted,omitempty"`  // offers that Accept named, or that the tasks of a commit used up
	Declined  int        `json:"declined,omitempty"`  // offers that Decline named, a commit dropped, or Unsubscribe gave back
	Lapsed    int        `json:"lapsed,omitempty"`    // offers whose lease had run out
	Rescinded int        `json:"rescinded,omitempty"` // offers that nobody answered and whose lease had not run out: the node went, somebody dropped the hold, or Exchange.Rescind took them back
	Placed    int        `json:"placed"`              // tasks of Accept or a commit
	Refused   int        `json:"refused,omitempty"`   // operations of Accept or a commit, for whatever reason
}

// hear adds to what is told of the present call, if anybody is told.
func (x *Exchange) hear(s *Subscription, more Answers) {
	x.mind(s, more)
	if x.cfg.Observer.Answered == nil || more == (Answers{}) {
		return
	}
	at := -1
	for i := range x.heard {
		if x.heard[i].Framework == s.client.name && x.heard[i].Role == s.client.role {
			at = i
		}
	}
	if at < 0 {
		at = len(x.heard)
		x.heard = append(x.heard, Answers{Framework: s.client.name, Role: s.client.role})
	}
	a := &x.heard[at]
	a.Accepted += more.Accepted
	a.Declined += more.Declined
	a.Lapsed += more.Lapsed
	a.Rescinded += more.Rescinded
	a.Placed += more.Placed
	a.Refused += more.Refused
}

// hearEnd adds an offer that the source has no more.
func (x *Exchange) hearEnd(o *offer, lapsed bool) {
	switch {
	case lapsed:
		x.hear(o.sub, Answers{Lapsed: 1})
	case o.drawn && o.dropped:
		x.hear(o.sub, Answers{Declined: 1})
	case o.drawn:
		x.hear(o.sub, Answers{Accepted: 1})
	default:
		x.hear(o.sub, Answers{Rescinded: 1})
	}
}

// tell tells what was heard during a call. It is for after the lock has been given back.
func (x *Exchange) tell(heard []Answers) {
	for _, a := range heard {
		faults.Drop(func() { x.cfg.Observer.Answered(a) })
	}
}
