package offers

import (
	"math"
	"math/bits"

	"github.com/berth-sched/berth"
)

// outstanding returns how much a framework is offered that it has not answered; nil of nothing.
func (x *Exchange) outstanding(s *Subscription) (all *stock) {
	for _, o := range s.offers {
		if hold, ok := x.hold(o); ok {
			all = all.plus(x.costOf(o, hold, o.site))
		}
	}
	return all
}

// isTooMuch reports whether a framework that is offered so much would have more with another offer than its terms let it have of all there is.
func (s *Subscription) isTooMuch(held *stock, more, total berth.Resources) bool {
	if s.percent == 0 {
		return false
	}
	for name, q := range more {
		if total[name] == math.MaxInt64 {
			continue // more than is counted, as where nodes do not limit it
		}
		if held != nil {
			q = saturated(q, held.all[name])
		}
		hi, lo := bits.Mul64(uint64(q), 100)
		mostHi, mostLo := bits.Mul64(uint64(max(total[name], 0)), uint64(s.percent))
		if q > 0 && (hi > mostHi || hi == mostHi && lo > mostLo) {
			return true
		}
	}
	return false
}

// isTooMuch is Subscription.isTooMuch for the pass. The framework is asked about all nodes again once it has less.
func (p *pass) isTooMuch(s *Subscription, more *stock) bool {
	if s.percent == 0 {
		return false
	}
	if p.total == nil {
		p.total = p.x.snapshot.Total()
	}
	if !s.isTooMuch(s.held, more.all, p.total) {
		return false
	}
	s.missed = true
	return true
}

// ease has a framework asked about all nodes that was kept from offers by how much it had, once that may be less, or be less of all there is.
func (x *Exchange) ease(s *Subscription) {
	if s.missed && s.percent > 0 {
		s.missed = false
		x.hurry(s)
	}
}
