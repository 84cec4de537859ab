package offers

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Offer is a hold as the framework it was made for sees it.
type Offer struct {
	berth.Hold
	Attributes berth.Attributes // of the node
	Recalled   time.Time        // by when all that runs on the node is asked back; the zero time if it is not: see [Exchange.Recall]
}

// offer is an offer through its life. It is known by its ID, which is that of its hold, and what is left of it
// is what the source has left of that hold. Its node is known by the node's ID: what the source changes
// between a snapshot and a commit makes it neither another offer nor one of another node.
type offer struct {
	id       string
	number   uint64
	sub      *Subscription
	site     *site
	group    *berth.Group // the demand it was cut to; nil for all that was free
	owner    string       // of the hold
	deadline time.Time
	stage    stage
	dropped  bool // the framework has given it back by a commit
	drawn    bool // the framework has answered it, in whole or in part, since the last look at the source
	alarm    *alarm

	taken *Ended // how it was taken back; nil if it was not

	inSub, inSite int // where it is in their lists

	slot, life uint32 // where the source has the hold,
	branch     uint64 // on which of its branches; 0 where that is not known

	seen *berth.Hold // what the source had of it when it was last charged,
	what *stock      // and how much that is; nil of nothing
}

// stage is where an offer is in its life:
//
//	drafted ──> proposed ──> open ──> over
//	   └────────────┴─────────────────^
//
// A pass drafts it and charges for it. It is proposed when the plan that makes its hold is handed to the source,
// and open once the source shows the hold. It is over when the source shows it no more, whatever the reason. An inverse offer begins open.
type stage uint8

const (
	drafted stage = iota
	proposed
	open
	over
)

func byNumber(a, b *offer) int { return cmp.Compare(a.number, b.number) }

// propose makes an offer known, before the source is asked to make its hold.
func (x *Exchange) propose(o *offer) {
	o.stage = proposed
	x.proposed = append(x.proposed, o)
	x.recount(o.sub)
	x.offers.set(o.id, o)
	o.inSub, o.inSite = len(o.sub.offers), len(o.site.offers)
	o.sub.offers, o.site.offers = append(o.sub.offers, o), append(o.site.offers, o)
	o.alarm.offers = append(o.alarm.offers, o)
}

// resolve finds out which of the proposed offers the source has made.
func (x *Exchange) resolve() {
	for _, o := range x.proposed {
		if o.stage != proposed {
			continue
		}
		if _, made := x.hold(o); !made {
			x.withdraw(o)
			continue
		}
		o.stage = open
		o.sub.book.told(o.site)
		o.sub.book.wake()
	}
	x.proposed = nil
}

// end ends an open offer whose hold is gone: its framework used it up, or it ended unanswered.
func (x *Exchange) end(o *offer) {
	if o.stage != open {
		return
	}
	lapsed := !x.now.Before(o.deadline)
	if !o.drawn || lapsed || o.taken != nil {
		x.ended.add(o.id, x.endOf(o, lapsed))
	}
	if lapsed {
		x.lapsed++
	}
	if lapsed && !o.drawn {
		x.pause(o.sub)
	}
	x.hearEnd(o, lapsed)
	x.withdraw(o)
	o.sub.book.told(o.site)
	o.sub.book.wake()
}

// answer ends an offer that its framework has answered and the source was made to drop.
func (x *Exchange) answer(o *offer) {
	if o.stage == over {
		return
	}
	x.withdraw(o)
	o.sub.book.told(o.site)
	o.sub.book.wake()
}

// withdraw forgets an offer.
func (x *Exchange) withdraw(o *offer) {
	o.stage = over
	x.offers.delete(o.id)
	swapOut(&o.sub.offers, o.inSub).inSub = o.inSub
	swapOut(&o.site.offers, o.inSite).inSite = o.inSite
	a := o.alarm
	switch a.left--; {
	case a.left == 0:
		x.alarms.remove(a)
	case len(a.offers) > 64 && a.left < len(a.offers)/4:
		a.offers = slices.Clone(slices.DeleteFunc(a.offers, func(o *offer) bool { return o.stage == over }))
	}
	x.recount(o.sub)
	if o.sub.missed {
		o.sub.missed = false
		x.hurry(o.sub)
	}
}

// swapOut takes an offer out of a list and puts the last in its place, which it returns.
func swapOut(list *[]*offer, i int) *offer {
	n := len(*list) - 1
	last := (*list)[n]
	(*list)[i], (*list)[n] = last, nil
	if *list = (*list)[:n]; n == 0 {
		*list = nil
	}
	return last
}

// hold returns what the source has of an offer. Another's hold of the same ID is not it.
func (x *Exchange) hold(o *offer) (*berth.Hold, bool) {
	slot, ok := x.slotOf(o)
	if !ok {
		return nil, false
	}
	return x.view.Record(slot).Extra.Hold, true
}

// slotOf returns where the source has the hold of an offer.
func (x *Exchange) slotOf(o *offer) (uint32, bool) {
	branch := x.view.Version().Branch
	if o.branch == branch && int(o.slot) < x.view.Slots() {
		r := x.view.Record(o.slot)
		return o.slot, r.Life() == o.life && r.ID != ""
	}
	slot, ok := x.view.FindHold(o.id)
	if !ok {
		return 0, false
	}
	r := x.view.Record(slot)
	if h := r.Extra.Hold; h.Owner != o.owner || h.Node != o.site.id {
		return 0, false
	}
	o.slot, o.life, o.branch = slot, r.Life(), branch
	return slot, true
}

// offerOf returns the offer that a hold of the source is.
func (x *Exchange) offerOf(h *berth.Hold) (*offer, bool) {
	o, ok := x.offers.get(h.ID)
	if !ok || o.owner != h.Owner || o.site.id != h.Node {
		return nil, false
	}
	return o, true
}

// numbered returns an ID that begins with a word, which nothing else that the Exchange has made has, nor a hold of the source, and its number.
func (x *Exchange) numbered(word string) (string, uint64) {
	for {
		x.made++
		const longest = 40 // as a rule
		var room [longest]byte
		id := string(strconv.AppendUint(append(room[:0], word...), x.made, 10))
		if x.view.Group(store.Holds).Count == len(x.offers.m) {
			return id, x.made // all holds are offers of this Exchange, of which none had the number
		}
		_, held := x.view.FindHold(id)
		if _, known := x.offers.get(id); !held && !known {
			return id, x.made
		}
	}
}

// own returns the owner of the holds that a framework is offered. A framework with offers keeps its owner. One
// without gets a name that owns no hold in the source, so that it cannot draw on what another Exchange, or
// an earlier one of the same prefix, has made for a framework of its name.
func (x *Exchange) own(s *Subscription) string {
	if s.owner != "" && (len(s.offers) > 0 || x.others[s.owner] == 0) {
		return s.owner
	}
	base := x.cfg.Prefix + s.name()
	owner := base
	for n := 2; x.others[owner] > 0 || x.owners[owner] != nil && x.owners[owner] != s; n++ {
		owner = base + "#" + strconv.Itoa(n)
	}
	delete(x.owners, s.owner)
	s.owner = owner
	x.owners[owner] = s
	return owner
}

// alarm is a time at which the offers of a pass end, or a refusal, or a recall is overdue.
type alarm struct {
	at      time.Time
	offers  []*offer // some of which may be over
	left    int      // how many of them are not
	refusal *refusal
	recall  *recall
	index   int // in the heap; -1 where it is out of it
}

// alarms are ordered by time, with container/heap.
type alarms []*alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

func (a *alarms) Push(v any) {
	v.(*alarm).index = len(*a)
	*a = append(*a, v.(*alarm))
}

func (a *alarms) Pop() any {
	n := len(*a) - 1
	last := (*a)[n]
	(*a)[n] = nil
	*a = (*a)[:n]
	if cap(*a) > 64 && n < cap(*a)/4 {
		*a = append(make(alarms, 0, n*2), *a...) // most of what it once had has gone
	}
	last.index = -1
	return last
}

func (a *alarms) set(at alarm) *alarm {
	heap.Push(a, &at)
	return &at
}

func (a *alarms) remove(at *alarm) {
	if at != nil && at.index >= 0 {
		heap.Remove(a, at.index)
	}
}

// due returns the alarms whose time has come. They stay: who has done what an alarm is for removes it.
func (a alarms) due(now time.Time) []*alarm {
	var due []*alarm
	for next := []int{0}; len(next) > 0; {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if i < len(a) && !now.Before(a[i].at) {
			due = append(due, a[i])
			next = append(next, 2*i+1, 2*i+2) // no alarm in a heap is before the one above it
		}
	}
	return due
}

// table is a map that gives back the memory of what it has no more.
type table[K comparable, V any] struct {
	m    map[K]V
	most int // entries since m was made
}

func (t *table[K, V]) get(k K) (V, bool) {
	v, ok := t.m[k]
	return v, ok
}

func (t *table[K, V]) set(k K, v V) {
	if t.m == nil {
		t.m = map[K]V{}
	}
	t.m[k] = v
	t.most = max(t.most, len(t.m))
}

// grow makes room for so many more.
func (t *table[K, V]) grow(n int) {
	if n += len(t.m); n > t.most && n > 2*len(t.m) {
		m := make(map[K]V, n)
		maps.Copy(m, t.m)
		t.m, t.most = m, n
	}
}

func (t *table[K, V]) delete(k K) {
	delete(t.m, k)
	if t.most > 64 && len(t.m) < t.most/4 {
		m := make(map[K]V, len(t.m))
		for k, v := range t.m {
			m[k] = v
		}
		t.m, t.most = m, len(m)
	}
}
