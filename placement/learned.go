package placement

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// Learned is what a strategy has learned of the tasks that arrive, and the weights and prices that were last made of it: a value for the
// strategies that [Strategy.Learns] reports. A scheduler has one and advances it; whoever works with a picker does so by [Learned.Foresee],
// [Engine.Tune] and [Learned.Arrived].
//
// Weights and prices are made anew when so many tasks have arrived: 1, 2, 4 and so on up to the number of nodes, 64 at least, and then each time that as
// many have arrived again. From then on all that was counted loses a thirty-second each time, so that half of it is forgotten after 22
// times as many tasks as there are nodes. Of a strategy that was given its mix nothing is counted but how many have arrived. Before the first task nothing
// is known, and nodes are equally good.
//
// The same tasks and snapshots make the same Learned, on every machine. It is written as JSON, which [ReadLearned] reads back. It is for one goroutine.
type Learned struct {
	policy   *gapPolicy
	kinds    map[string]*learnedKind // by what is asked for
	arrived  int64
	due      int64 // how many must have arrived for it to be tuned anew
	tuning   *tuning
	recently map[*berth.Requirements]*learnedKind
}

// learnedKind is a kind of task that arrived, and how many of it did, in 2^-10.
type learnedKind struct {
	asks
	n int64
}

const (
	oneArrival     = 1 << 10
	fewestArrivals = 64
	mostRecently   = 1 << 12
	mostLearned    = 1 << 12 // kinds of tasks that outlast forgetting
)

// NewLearned returns what a strategy has learned before the first task: nothing. It is nil for a strategy that does not learn.
func NewLearned(s Strategy) *Learned {
	p := s.gapPolicy()
	if p == nil {
		return nil
	}
	l := &Learned{policy: p, due: 1}
	if !p.mix.IsZero() {
		l.tuning = p.tune(p.mix, nil)
	}
	return l
}

// Learns reports whether the strategy gets better with what is known of the tasks that arrive: [FGD] without a mix, [RoomLoss] and [PricedGaps].
func (s Strategy) Learns() bool {
	p := s.gapPolicy()
	return p != nil && (p.kind != leastFragments || p.mix.IsZero())
}

// gapPolicy returns the policy of the first term that has one, or nil.
func (s Strategy) gapPolicy() *gapPolicy {
	for i := range s.tiers {
		for j := range s.tiers[i].terms {
			if p := s.tiers[i].terms[j].gaps; p != nil {
				return p
			}
		}
	}
	return nil
}

// Clone returns a copy, which goes its own way.
func (l *Learned) Clone() *Learned {
	if l == nil {
		return nil
	}
	c := *l
	c.recently, c.kinds = nil, make(map[string]*learnedKind, len(l.kinds))
	for text, k := range l.kinds {
		same := *k
		c.kinds[text] = &same
	}
	return &c
}

// Of reports whether it is what that strategy learned, and can go on learning.
func (l *Learned) Of(s Strategy) bool {
	p := s.gapPolicy()
	return l != nil && l.policy != nil && p != nil && (l.policy == p || l.policy.String() == p.String())
}

// Arrived counts tasks, each once. To make weights and prices anew is [Learned.Foresee]'s.
func (l *Learned) Arrived(tasks ...berth.Task) {
	if l == nil || l.policy == nil {
		return
	}
	for _, t := range tasks {
		r := expected(t)
		if r == nil {
			continue
		}
		l.arrived++
		if !l.policy.mix.IsZero() {
			continue
		}
		k := l.recently[r]
		if k == nil {
			k = l.kindOf(asksOf(r))
			if l.recently == nil || len(l.recently) >= mostRecently {
				l.recently = map[*berth.Requirements]*learnedKind{}
			}
			l.recently[r] = k
		}
		k.n += oneArrival
	}
}

// kindOf returns the kind of tasks that ask for this, of which none may have arrived.
func (l *Learned) kindOf(a asks) *learnedKind {
	text := a.String()
	k := l.kinds[text]
	if k == nil {
		if l.kinds == nil {
			l.kinds = map[string]*learnedKind{}
		}
		k = &learnedKind{asks: a}
		l.kinds[text] = k
	}
	return k
}

// Foresee returns what is learned once tasks have arrived at a cluster as it is in a snapshot, before any of them is placed, if weights and prices
// are due then; nil if they stay as they are. It changes nothing. Where they are due it costs a copy of what is counted, some microseconds for each node,
// and about a millisecond for prices.
func (l *Learned) Foresee(s *cluster.Snapshot, tasks ...berth.Task) *Learned {
	if l == nil || l.policy == nil || s == nil || l.arrived+int64(len(tasks)) < l.due {
		return nil
	}
	next := l.Clone()
	if next.Arrived(tasks...); next.arrived < next.due {
		return nil
	}
	every := int64(max((*store.View)(s).Shown().Nodes(), fewestArrivals))
	mix := next.policy.mix
	if mix.IsZero() {
		mix = next.mix()
	}
	next.tuning = next.policy.tune(mix, s)
	if next.due > every/2 {
		next.forget()
	}
	for next.due <= next.arrived {
		if next.due < every {
			next.due = min(2*next.due, every)
		} else {
			next.due += (next.arrived-next.due)/every*every + every
		}
	}
	return next
}

// forget lets what was counted lose a thirty-second, and the rarest kinds go where they are too many.
func (l *Learned) forget() {
	for text, k := range l.kinds {
		if k.n -= (k.n + 31) / 32; k.n <= 0 {
			delete(l.kinds, text)
		}
	}
	if len(l.kinds) > mostLearned {
		texts := slices.SortedFunc(maps.Keys(l.kinds), func(a, b string) int {
			return cmp.Or(cmp.Compare(l.kinds[b].n, l.kinds[a].n), strings.Compare(a, b))
		})
		for _, text := range texts[mostLearned:] {
			delete(l.kinds, text)
		}
	}
	l.recently = nil
}

// Mix returns the mix that the strategy goes by: what it was given, or what has been counted.
func (l *Learned) Mix() Mix {
	switch {
	case l == nil || l.policy == nil:
		return Mix{}
	case !l.policy.mix.IsZero():
		return l.policy.mix
	}
	return l.mix()
}

func (l *Learned) mix() (m Mix) {
	for text, k := range l.kinds {
		m.kinds = append(m.kinds, kindOfTask{k.asks, text, min(k.n, mostOfKind)})
	}
	m.sort()
	return m
}

// written is how a Learned is written.
type written struct {
	Version  int
	Strategy string // the policy
	Arrived  int64
	Due      int64
	Mix      Mix     // in 2^-10 of a task
	Tuning   *tuning `json:",omitempty"`
}

const learnedVersion = 1

// MarshalJSON writes it. Equal ones are written alike.
func (l *Learned) MarshalJSON() ([]byte, error) {
	if l == nil || l.policy == nil {
		return []byte("null"), nil
	}
	return json.Marshal(written{learnedVersion, l.policy.String(), l.arrived, l.due, l.mix(), l.tuning})
}

// UnmarshalJSON fails: what was learned is of a strategy, and [ReadLearned] asks which.
func (l *Learned) UnmarshalJSON([]byte) error {
	return errors.New("placement: learned: read by ReadLearned, which asks of which strategy it is")
}

// ReadLearned reads what MarshalJSON has written of what a strategy had learned. It fails if that was another strategy, or nothing that MarshalJSON writes.
func ReadLearned(s Strategy, text []byte) (*Learned, error) {
	l := NewLearned(s)
	if l == nil {
		return nil, errors.New("placement: learned: the strategy learns nothing")
	}
	var w written
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	err := in.Decode(&w)
	if _, more := in.Token(); err == nil && more != io.EOF {
		err = errors.New("something follows the end")
	}
	if err != nil {
		return nil, fmt.Errorf("placement: learned: %w", err)
	}
	switch {
	case w.Version != learnedVersion:
		return nil, fmt.Errorf("placement: learned: version %d is not %d", w.Version, learnedVersion)
	case w.Strategy != l.policy.String():
		return nil, fmt.Errorf("placement: learned: by %q, and the strategy is %q", w.Strategy, l.policy)
	case w.Arrived < 0 || w.Arrived > mostAsked || w.Due < 1 || w.Due > mostAsked:
		return nil, fmt.Errorf("placement: learned: %d arrived, %d due", w.Arrived, w.Due)
	}
	if w.Tuning != nil {
		if err := w.Tuning.check(); err != nil {
			return nil, fmt.Errorf("placement: learned: %w", err)
		}
		w.Tuning.index()
		l.policy.indexLevels(w.Tuning)
	}
	l.arrived, l.due, l.tuning = w.Arrived, w.Due, w.Tuning
	for _, k := range w.Mix.kinds {
		l.kindOf(k.asks).n = k.n
	}
	return l, nil
}

// check returns what is wrong with a tuning that was read.
func (t *tuning) check() error {
	bad := len(t.Others) > mostOthers || len(t.Shift) != len(t.Others) || len(t.Per) != len(t.Others) || len(t.Shapes) > mostShapes ||
		len(t.Values) > whole+1 || t.Plain && t.Largest < 1 || t.Total < 1 || t.Total > mostParts
	shares := int64(0)
	for d := range min(len(t.Shift), len(t.Per)) {
		bad = bad || t.Shift[d] > 63 || t.Per[d] < 0 || t.Per[d] > mostPer
	}
	for _, v := range t.Values {
		bad = bad || v < 0 || v > 16000
	}
	for i := range t.Shapes {
		s := &t.Shapes[i]
		bad = bad || len(s.Others) != len(t.Others) || s.Count < 0 || s.Count > mostPerNode || s.Size < 0 || s.Size > 2*whole ||
			s.Share < 0 || s.Share > t.Total || s.Weight < 0 || s.Weight > mostWeighs || (s.Count == 0) != (s.Size == 0)
		for _, q := range s.Others {
			bad = bad || q < 0
		}
		shares += s.Share
	}
	if bad || shares > t.Total {
		return errors.New("the tuning is not one that was written")
	}
	return nil
}

// Tune makes the engine go by what was learned, from the next call on; by nothing, if it is nil or of another strategy. What is kept of scores goes where that
// is other than before, and nothing else.
func (e *Engine) Tune(l *Learned) {
	if e.inCover {
		return
	}
	if e.enter(); e.policy.tune(l) {
		e.search.end()
		e.search.rankings.retune()
	}
	e.leave()
}

// Tune makes the picker go by what was learned, from the next call on; by nothing, if it is nil or of another strategy.
func (e *Exhaustive) Tune(l *Learned) {
	if e.ready(); !e.inCover {
		e.policy.tune(l)
	}
}

// tune reports whether what is gone by is other than before.
func (p *policy) tune(l *Learned) bool {
	own := p.strategy.gapPolicy()
	if own == nil {
		return false
	}
	var t *tuning
	if l.Of(p.strategy) {
		t = l.tuning
	}
	changed := t != p.tuned
	p.tuned = t
	return changed
}
