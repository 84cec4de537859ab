package offers

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/enum"
)

// NodeOrder is which of the nodes that have room for a task of a demand is offered first. While any demand that is open has another than ByID,
// a piece takes a pass O(log nodes), and each kind of demand O(nodes) once.
type NodeOrder uint8

// The orders. Of nodes that are alike by one the first by ID is first. Full and empty are by the mean part that is free of what the node has of
// each resource that a task requests, devices aside.
const (
	// ByID: the first by ID.
	ByID NodeOrder = iota
	// Fullest: that of which the least is free, so that others stay empty for what is large. It suits a scheduler that packs.
	Fullest
	// Emptiest: that of which the most is free, so that tasks are spread.
	Emptiest
	// Aligned: that which has the most free of what a task requests the most of: the scalar product of the two, each resource in parts of all there
	// is. So frameworks that need different resources keep off each other's nodes (the best fit of DRFH, Wang, Li and Liang, INFOCOM 2014, and
	// the alignment of Tetris, Grandl et al., SIGCOMM 2014, in spirit).
	Aligned
)

var nodeOrderWords = []string{"by id", "fullest", "emptiest", "aligned"}

// falls reports whether a node of which a piece was given goes back in the order, and does not come forward.
func (o NodeOrder) falls() bool { return o == Emptiest || o == Aligned }

// String returns the order as a word or two, such as "fullest".
func (o NodeOrder) String() string {
	if word, err := enum.Word("node order", nodeOrderWords, o); err == nil {
		return string(word)
	}
	return fmt.Sprintf("NodeOrder(%d)", uint8(o))
}

// MarshalText returns the order as String does. It fails for one that there is not.
func (o NodeOrder) MarshalText() ([]byte, error) { return enum.Word("node order", nodeOrderWords, o) }

// UnmarshalText reads what MarshalText writes.
func (o *NodeOrder) UnmarshalText(text []byte) error {
	return enum.Read("node order", nodeOrderWords, text, o)
}

// Where demand has an order of its own for nodes, or some nodes are to be left to others, a pass does not put one node after the other: whose
// turn it is chooses among all nodes. What is left of a node gets less during a pass, so who finds nothing is out of the pass.

// choosing is what a pass in which nodes are chosen keeps.
type choosing struct {
	chooses bool                       // it is at that
	queues  map[queueOf]*queue         // of nodes that may be chosen
	fullest []*queue                   // those in which a node of which a piece was given comes forward
	rests   map[uint32][]int64         // what is left of nodes by row, where pieces are counted
	changes map[draftOf]uint64         // how many pieces of a node were given, out of what a framework could have if offers are optimistic
	drafted map[draftOf]*draft         // on every node
	done    map[*Subscription]struct{} // who found nothing
}

// draftOf is a framework, what it wants and a node; no want is all that is free.
type draftOf struct {
	sub  *Subscription
	want *want
	at   *site
}

// queueOf says which nodes a queue is of: those that may be chosen for a class, in an order, by who asks for some scarce resources and is asked
// about all nodes or about those that have changed. Where others are not alike, it is of one want or one framework only, and has nothing
// in it that they have been refused: within a pass they would be refused it again.
type queueOf struct {
	class *class
	order NodeOrder
	asked uint64
	all   bool
	want  *want
	sub   *Subscription
}

// option is a node that may be chosen.
type option struct {
	at    *site
	last  bool   // it is to be left to others
	score uint64 // the least is first,
	rank  uint32 // and the first by ID
	as    uint64 // how many pieces of it had been given
}

// queue is options, the best first, as container/heap keeps it.
type queue struct {
	of   queueOf
	want *want // one of those it is for; nil for all that is free
	list []option
}

func (q *queue) Len() int { return len(q.list) }

func (q *queue) Less(i, j int) bool { return q.list[i].before(&q.list[j]) < 0 }

func (q *queue) Swap(i, j int) { q.list[i], q.list[j] = q.list[j], q.list[i] }

func (q *queue) Push(v any) { q.list = append(q.list, v.(option)) }

func (q *queue) Pop() any {
	n := len(q.list) - 1
	last := q.list[n]
	q.list = q.list[:n]
	return last
}

func (o *option) before(b *option) int {
	if o.last != b.last {
		if b.last {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(o.score, b.score), cmp.Compare(o.rank, b.rank))
}

// mustChoose reports whether nodes are chosen in the pass.
func (p *pass) mustChoose() bool {
	if p.x.cfg.prefersOthers() {
		return true
	}
	for _, s := range p.picky {
		inTurn := 0
		for i := range s.wants {
			if w := &s.wants[i]; w.left > 0 && w.group.Mode() != berth.Daemon {
				if inTurn++; w.order != ByID || s.window > 0 && inTurn > s.window {
					return true
				}
			}
		}
	}
	return false
}

// drawByChoice drafts the offers of all but daemons. It fails if the context ends.
func (p *pass) drawByChoice() error {
	p.choosing = choosing{
		chooses: true, queues: map[queueOf]*queue{}, rests: map[uint32][]int64{}, changes: map[draftOf]uint64{}, drafted: map[draftOf]*draft{},
		done: map[*Subscription]struct{}{},
	}
	for p.left > 0 && p.choose() {
		const often = 64
		if p.turns++; p.turns%often == 0 && p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
	}
	return nil
}

// choose gives the first framework in the order that finds a node a piece of it.
func (p *pass) choose() bool {
	try := func(s *Subscription) bool {
		if s == nil || !s.asks {
			return false
		}
		if _, done := p.done[s]; done {
			return false
		}
		if p.giveChosen(s) {
			return true
		}
		p.done[s] = struct{}{}
		return false
	}
	if try(p.first()) {
		return true
	}
	for s := range p.inTurn() {
		if try(s) {
			return true
		}
	}
	return false
}

// giveChosen gives a framework a piece of the best node for the first of its wants that there is one for.
func (p *pass) giveChosen(s *Subscription) bool {
	if !p.ready(s) {
		return false
	}
	if !s.declared {
		return p.chooseFor(s, nil)
	}
	passed := 0
	for i := range s.wants {
		w := &s.wants[i]
		switch {
		case w.left == 0 || w.group.Mode() == berth.Daemon:
			continue
		case s.window > 0 && passed == s.window:
			p.retry(s) // once what it waits for is there, it may be about any node
			return false
		case w.need > 0:
			if w.tried != p.number && p.gang(s, w) {
				return true
			}
		case p.chooseFor(s, w):
			return true
		}
		passed++
	}
	return false
}

// chooseFor gives a framework a piece of the best node for a want of its, or all that is free on one.
func (p *pass) chooseFor(s *Subscription, w *want) bool {
	q := p.queueFor(s, w)
	var aside []option
	defer func() {
		for _, o := range aside {
			heap.Push(q, o)
		}
	}()
	for len(q.list) > 0 {
		o := heap.Pop(q).(option)
		if now := p.changes[p.out(s, o.at)]; o.as != now && q.of.order != ByID {
			if q.of.order.falls() { // in the others it has come forward
				heap.Push(q, p.optionOf(s, w, o.at))
			}
			continue
		}
		if o.at.isKeptFrom(s) || o.at.isKept(w) || !p.x.suits(s, o.at) {
			if !q.isOwn() {
				aside = append(aside, o)
			}
			continue
		}
		p.visit(o.at)
		switch given := w != nil && p.piece(s, w, o.at) || w == nil && p.isOpenTo(s, o.at) && p.whole(s, o.at); {
		case given:
			p.chosen(q, s, o)
			return true
		case w != nil && w.left == 0:
			return false // a rule panicked
		case !q.isOwn() && w.class.barred != p.x.putting:
			aside = append(aside, o)
		}
	}
	return false
}

// isOpenTo reports whether a framework that has declared nothing is not spared all that is free on the node that is visited.
func (p *pass) isOpenTo(s *Subscription, at *site) bool { return !p.exact || !p.x.isSpared(s, at.row) }

// out returns by what it is known how many pieces of a node were given.
func (p *pass) out(s *Subscription, at *site) draftOf {
	if p.x.cfg.Lease == berth.Exclusive {
		return draftOf{at: at}
	}
	return draftOf{sub: s, at: at}
}

// chosen notes that a piece of a node was given out of a queue.
func (p *pass) chosen(q *queue, s *Subscription, o option) {
	p.drawnFrom(q, s, o.at)
	if q.of.order != Fullest {
		heap.Push(q, o)
	}
}

// drawnFrom notes that a framework was given something of a node, out of a queue or, where there is none, for a gang. Where the fullest is first it
// comes forward.
func (p *pass) drawnFrom(q *queue, s *Subscription, at *site) {
	p.changes[p.out(s, at)]++
	for _, f := range p.fullest {
		if f != q && (p.x.cfg.Lease != berth.Exclusive || !f.of.all && !p.fresh.has(at.row) || p.x.isForOthers(at, f.of.asked)) {
			continue
		}
		heap.Push(f, p.optionOf(s, f.want, at))
	}
}

// visit makes a node the one that is being put.
func (p *pass) visit(at *site) {
	p.x.putting++
	p.freshHere = p.fresh.has(at.row)
	if p.exact {
		p.x.settle(at)
	}
	p.free = free{}
	p.count(at)
}

// queueFor returns the nodes that may be chosen by a framework for a want.
func (p *pass) queueFor(s *Subscription, w *want) *queue {
	x := p.x
	of := queueOf{all: s.eager || s.far, asked: s.uses}
	far := s.far
	if w == nil {
		of.sub = s // which nodes it has filters of is its own
	} else {
		of.order, of.asked = w.order, w.uses
		far = far || w.far
		if of.class = w.class; far || w.class.key == "" || x.cfg.Lease != berth.Exclusive || s.isChoosy() {
			of.want = w
		}
	}
	if q := p.queues[of]; q != nil {
		return q
	}
	q := &queue{of: of, want: w}
	for i, rows := range x.room {
		if !of.all {
			rows &= p.fresh.word(i)
		}
		for ; rows != 0; rows &= rows - 1 {
			row := uint32(i*64 + bits.TrailingZeros64(rows))
			at := x.rows[row]
			if x.isForOthers(at, of.asked) || w != nil && !far && !p.may(w.class, row) {
				continue
			}
			q.list = append(q.list, p.optionOf(s, w, at))
		}
	}
	heap.Init(q)
	p.queues[of] = q
	if of.order == Fullest {
		p.fullest = append(p.fullest, q)
	}
	return q
}

// isOwn reports whether the queue is of one want or one framework only.
func (q *queue) isOwn() bool { return q.of.want != nil || q.of.sub != nil }

// isChoosy reports whether there may be many nodes that a framework is not offered though others of its class are. In a queue that it shared
// with them it would come across all of these for each piece.
func (s *Subscription) isChoosy() bool {
	if s.nodes != nil {
		return true
	}
	const many = 256
	refused := 0
	for r := range s.refusals {
		if refused += r.left; refused > many {
			return true
		}
	}
	return false
}

// optionOf returns a node as it is now.
func (p *pass) optionOf(s *Subscription, w *want, at *site) option {
	o := option{at: at, rank: p.x.view.Rank()[at.row], as: p.changes[p.out(s, at)]}
	asked := s.uses
	if w != nil {
		asked = w.uses
		if w.order != ByID {
			o.score = p.scoreOf(s, w, at)
		}
	}
	o.last, _ = p.x.spares(at, asked)
	return o
}

// scoreOf returns what of a node is free, in billionths of what it has of each resource that a task of a want requests, added up; the other
// way round where the emptiest is first. Where those that are aligned are first it is the scalar product, the other way round.
func (p *pass) scoreOf(s *Subscription, w *want, at *site) (sum uint64) {
	v, row, rest := p.x.view, at.row, p.rests[at.row]
	if rest == nil && p.forks != nil && !(p.countable && len(p.plain) == 0) {
		v, row = behind(p.fork(s), at.id)
	}
	if w.order == Aligned && p.total == nil {
		p.total = p.x.snapshot.Total()
	}
	for name, q := range w.request {
		d, ok := v.DimOf(name)
		if q <= 0 || !ok {
			continue
		}
		free := int64(0)
		if rest != nil {
			free = rest[d]
		} else {
			free = v.FreeOf(row, d)
		}
		if w.order == Aligned {
			sum += partOf(free, max(p.total[name], 1)) * p.weightOf(w, name)
			continue
		}
		sum += partOf(free, max(at.node.Spec.Capacity[name], 1))
	}
	if w.order.falls() {
		return math.MaxUint64 - sum
	}
	return sum
}

// weightOf returns how much a task requests of a resource, as a part of all there is of it, in thousandths of its largest such part.
func (p *pass) weightOf(w *want, name string) uint64 {
	top := uint64(1)
	for name, q := range w.request {
		top = max(top, partOf(q, max(p.total[name], 1)))
	}
	return 1000 * partOf(w.request[name], max(p.total[name], 1)) / top
}

// rowsFor returns the rows of the source in the order in which they are looked at for the tasks of a gang.
func (p *pass) rowsFor(s *Subscription, w *want) []uint32 {
	order := p.x.view.Order()
	if w.order == ByID && !p.x.cfg.prefersOthers() {
		return order
	}
	all := make([]option, 0, len(order))
	for _, row := range order {
		if p.x.room.has(row) {
			all = append(all, p.optionOf(s, w, p.x.rows[row]))
		}
	}
	slices.SortStableFunc(all, func(a, b option) int { return a.before(&b) })
	rows := make([]uint32, len(all))
	for i := range all {
		rows[i] = all[i].at.row
	}
	return rows
}

// draftOn returns what was drafted on the node that is being put.
func (p *pass) draftOn(s *Subscription, w *want, at *site) *draft {
	switch {
	case p.chooses:
		return p.drafted[draftOf{s, w, at}]
	case w == nil:
		return s.here.on(p)
	}
	return w.here.on(p)
}

// drew notes what was drafted on it.
func (p *pass) drew(s *Subscription, w *want, at *site, d *draft) {
	switch {
	case p.chooses:
		p.drafted[draftOf{s, w, at}] = d
	case w == nil:
		s.here = latest{d, p.x.putting}
	default:
		w.here = latest{d, p.x.putting}
	}
}
