package offers

import (
	"math"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// counting is how the pieces of a node are handed out where all that a task asks of a node is amounts: they are taken off a list of what is
// left, which no fork needs to be made for, and an offer is as many of them as it has become. Where only one framework is left to be asked it
// is given all of them at once.
type counting struct {
	countable bool    // it is so for all that is wanted in the pass
	counts    bool    // it is so on the node that is being put
	rest      []int64 // what is left of it, by the dimensions of the view
	streak    int     // turns in a row of one framework,
	last      *Subscription
}

// latest is a draft of the node that was put last.
type latest struct {
	draft *draft
	put   uint64 // numbers that occasion
}

// on returns the draft if it is of the node that is being put, or nil.
func (l *latest) on(p *pass) *draft {
	if l.put == p.x.putting {
		return l.draft
	}
	return nil
}

// multiple is so many times what a want requests.
type multiple struct {
	n    int
	all  berth.Resources
	each *stock
}

// canCount reports whether the pieces that are wanted in the pass can be counted.
func (p *pass) canCount() bool {
	if !p.exact || p.fars+p.gangs > 0 || p.daemons {
		return false
	}
	for _, c := range p.classes {
		if c.key == "" {
			return false
		}
	}
	return true
}

// count begins to count the pieces of a node, if they can be.
func (p *pass) count(at *site) {
	p.streak, p.last = 0, nil
	p.counts = p.countable && (len(p.plain) == 0 || len(at.node.Spec.Devices)+len(at.node.Spec.Ports) == 0 && !hasRevocable(at.node.Spec)) &&
		p.x.view.ReservesOn(at.row) == nil
	switch {
	case !p.counts:
	case !p.chooses:
		p.rest = append(p.rest[:0], p.x.view.Free(at.row)...)
	case p.rests[at.row] == nil:
		p.rests[at.row] = slices.Clone(p.x.view.Free(at.row))
		fallthrough
	default:
		p.rest = p.rests[at.row]
	}
}

// isEmpty reports whether nothing is left of the node.
func (p *pass) isEmpty() bool {
	for _, q := range p.rest {
		if q > 0 {
			return false
		}
	}
	return true
}

// fit returns how many tasks of a class have room in what is left of the node.
func (p *pass) fit(c *class) int64 {
	if c.needed != p.number {
		c.needed, c.needs = p.number, c.needs[:0]
		for _, need := range c.group.Requirements().Needs {
			d, ok := p.x.view.DimOf(need.Name)
			if !ok {
				d = -1
			}
			c.needs = append(c.needs, store.Need{Dim: d, Amount: need.Amount})
		}
	}
	n := int64(math.MaxInt64)
	for _, need := range c.needs {
		if need.Dim < 0 {
			return 0
		}
		n = min(n, p.rest[need.Dim]/need.Amount)
	}
	return max(n, 0)
}

// counted is piece where pieces are counted.
func (p *pass) counted(s *Subscription, w *want, at *site) bool {
	c := w.class
	most := p.fit(c)
	if most == 0 {
		c.barred = p.x.putting
		return false
	}
	d := p.draftOn(s, w, at)
	if d == nil && p.x.hasFilters(s, at.row) {
		if k := min(int64(w.left), most); p.x.refuses(s, at, false, w.each.times(k).all) {
			return false
		}
	}
	n := int64(1)
	if p.isAlone(s, at) {
		n = min(most, int64(w.left))
	}
	if n > 1 && !p.chargeTimes(s, at, w.each, n) {
		n = 1
	}
	if n == 1 && !p.charge(s, at, w.each) {
		return false
	}
	for _, need := range c.needs {
		p.rest[need.Dim] -= n * need.Amount
	}
	if d == nil {
		d = p.add(s, at, w.group)
		d.of = w
		p.drew(s, w, at, d)
	}
	d.pieces += int(n)
	if w.left -= int(n); w.left == 0 {
		p.settleFor(s)
	}
	return true
}

// isAlone reports whether nobody but a framework is asked about the node any more, so that it is given all of it that it wants however
// often its turn would come.
func (p *pass) isAlone(s *Subscription, at *site) bool {
	if p.x.account.many == nil || s.percent > 0 || s.most > 0 || p.chooses {
		return false
	}
	if p.left == 1 {
		return true
	}
	if p.last != s {
		p.last, p.streak = s, 0
	}
	const long = 16 // after which it pays to look
	if p.streak++; p.streak%long != 0 {
		return false
	}
	only, _ := p.one(at)
	return only == s
}

// addUp makes the hold of an offer whose pieces were counted.
func (d *draft) addUp(x *Exchange) {
	w := d.of
	if w == nil {
		return
	}
	if d.pieces == 1 {
		d.hold.Resources, d.each = w.request, w.each
		return
	}
	if w.made.n != d.pieces {
		all := make(berth.Resources, len(w.request))
		for name, q := range w.request {
			all[name] = q * int64(d.pieces)
		}
		w.made = multiple{d.pieces, all, x.stocks.of(all)}
	}
	d.hold.Resources, d.each = w.made.all, w.made.each
}
