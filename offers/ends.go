package offers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/enum"
)

// End is how an offer ended that its framework had not answered, or an inverse offer whatever the framework had replied.
type End uint8

// The ends.
const (
	// Lapsed: its lease ran out, or the deadline of an inverse offer passed with tasks left.
	Lapsed End = iota
	// NodeGone: its node left the source.
	NodeGone
	// Dropped: the host ended its hold in the source, or the source has it no more. Of an inverse offer: its framework has left the role.
	Dropped
	// Rescinded: it was taken back with [Exchange.Rescind] or, an inverse offer, with [Exchange.Withdraw].
	Rescinded
	// Disconnected: its framework went away: see [Subscription.Disconnect].
	Disconnected
	// Met: an inverse offer's tasks are all gone.
	Met
)

var endWords = []string{"lapsed", "node gone", "dropped", "rescinded", "disconnected", "met"}

// String returns the end as a word or two, such as "node gone".
func (e End) String() string {
	if word, err := enum.Word("end", endWords, e); err == nil {
		return string(word)
	}
	return fmt.Sprintf("End(%d)", uint8(e))
}

// MarshalText returns the end as String does. It fails for one that there is not.
func (e End) MarshalText() ([]byte, error) { return enum.Word("end", endWords, e) }

// UnmarshalText reads what MarshalText writes.
func (e *End) UnmarshalText(text []byte) error { return enum.Read("end", endWords, text, e) }

// Ended is how an offer ended, and the reason that was given if it was rescinded.
type Ended struct {
	End    End
	Reason string
}

// String prints "lapsed", "rescinded: n1 is drained".
func (e Ended) String() string {
	if e.Reason == "" {
		return e.End.String()
	}
	return e.End.String() + ": " + e.Reason
}

// Ended says how an offer ended that the framework had not answered, or an inverse offer. It returns false for one that stands or was answered, that was made to
// another framework, and that ended too long ago: the last few thousand of the Exchange are remembered.
func (s *Subscription) Ended(ctx context.Context, id string) (Ended, bool, error) {
	var e Ended
	ok := false
	err := s.do(ctx, "ended", func() error {
		if m, is := s.x.ended.get(id); is && m.framework == s.client.name {
			e, ok = m.Ended, true
		}
		return nil
	})
	return e, ok, err
}

// Rescind takes offers back, of whatever frameworks, before they are answered: such as all of a node that is to be emptied, which is to be
// cordoned first, or it is offered again by the next pass. Who answers one is told that it has ended and the reason, a few words of the host's, and
// so is who asks [Subscription.Ended]. The IDs are those of the holds in the source: see [Exchange.Snapshot]. Tasks that were placed on what an
// offer once had stay. It fails, having done nothing, if there is no reason, or if one of the offers is unknown or has ended, naming each.
func (x *Exchange) Rescind(ctx context.Context, ids []string, reason string) error {
	return x.call("rescind", func() error {
		if _, err := x.expire(ctx); err != nil {
			return err
		}
		var errs []error
		if strings.TrimSpace(reason) == "" {
			errs = append(errs, errors.New("no reason"))
		}
		named := make(map[string]bool, len(ids))
		var offers []*offer
		for _, id := range ids {
			o, _ := x.offers.get(id)
			switch {
			case named[id]:
				errs = append(errs, fmt.Errorf("offer %q: named twice", id))
			case o == nil && x.ended.isOver(id):
				errs = append(errs, x.ended.why(id))
			case o == nil:
				errs = append(errs, fmt.Errorf("offer %q: %w", id, ErrUnknownOffer))
			}
			named[id] = true
			offers = append(offers, o)
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		return x.takeAway(ctx, offers, &Ended{Rescinded, reason})
	})
}

// takeAway has the source drop offers, which end in that way.
func (x *Exchange) takeAway(ctx context.Context, offers []*offer, how *Ended) error {
	if len(offers) == 0 {
		return nil
	}
	plan := &cluster.Plan{Version: x.snapshot.Version(), Ops: make([]berth.Op, 0, len(offers))}
	for _, o := range offers {
		plan.Drop(o.id)
	}
	done, err := x.commit(ctx, plan)
	if err != nil {
		return err
	}
	for _, o := range offers {
		o.taken = how
	}
	for _, r := range done.Refused { // it had ended in that moment
		if o, ok := x.offers.get(r.Op.ID); ok {
			o.taken = nil
		}
	}
	x.afterwards(ctx, nil)
	return nil
}

// endOf returns how an offer ended that was not answered.
func (x *Exchange) endOf(o *offer, lapsed bool) ending {
	e := ending{framework: o.sub.client.name, Ended: Ended{End: Dropped}}
	switch {
	case o.taken != nil:
		e.Ended = *o.taken
	case o.site.node == nil:
		e.End = NodeGone
	case lapsed:
		e.End = Lapsed
	}
	return e
}

// ending is how an offer to a framework ended.
type ending struct {
	Ended
	framework string
}

// memory keeps how the last offers ended.
type memory struct {
	ids  map[string]ending
	ring []string
	next int
}

const remembered = 4096

func (m *memory) add(id string, e ending) {
	if m.ids == nil {
		m.ids = make(map[string]ending)
	}
	if _, known := m.ids[id]; known {
		return
	}
	if len(m.ring) < remembered {
		m.ring = append(m.ring, id)
	} else {
		delete(m.ids, m.ring[m.next])
		m.ring[m.next] = id
		m.next = (m.next + 1) % remembered
	}
	m.ids[id] = e
}

func (m *memory) isOver(id string) bool {
	_, ok := m.ids[id]
	return ok
}

// why returns the error that says how an offer ended.
func (m *memory) why(id string) error {
	if e := m.ids[id]; e.End >= Rescinded {
		return fmt.Errorf("offer %q: %w: %v", id, ErrExpired, e.Ended)
	}
	return fmt.Errorf("offer %q: %w", id, ErrExpired)
}

func (m *memory) get(id string) (ending, bool) {
	e, ok := m.ids[id]
	return e, ok
}
