package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/enum"
)

// Reply is what a framework has said to an inverse offer.
type Reply uint8

// The replies.
const (
	// Unanswered: nothing yet.
	Unanswered Reply = iota
	// Accepted: it gives the room back by the deadline.
	Accepted
	// Declined: it would rather not, for a reason. The host may end the tasks all the same once the deadline has passed.
	Declined
)

var replyWords = []string{"unanswered", "accepted", "declined"}

// String returns the reply as a word.
func (r Reply) String() string {
	if word, err := enum.Word("reply", replyWords, r); err == nil {
		return string(word)
	}
	return fmt.Sprintf("Reply(%d)", uint8(r))
}

// MarshalText returns the reply as String does. It fails for one that there is not.
func (r Reply) MarshalText() ([]byte, error) { return enum.Word("reply", replyWords, r) }

// UnmarshalText reads what MarshalText writes.
func (r *Reply) UnmarshalText(text []byte) error { return enum.Read("reply", replyWords, text, r) }

// InverseOffer asks a framework, in one of its roles, to give room back: to end the tasks, or have them run elsewhere, by the deadline of the
// [Recall].
type InverseOffer struct {
	ID        string     `json:"id"`
	Framework string     `json:"framework"`
	Role      berth.Role `json:"role"`
	Node      string     `json:"node,omitempty"`  // empty where it is about tasks wherever they are
	Tasks     []string   `json:"tasks,omitempty"` // that the framework has there now, or that are left of those named; in their order
	Reason    string     `json:"reason,omitempty"`
	Deadline  time.Time  `json:"deadline"`
	Until     time.Time  `json:"until,omitzero"`
	Reply     Reply      `json:"reply"`
	Because   string     `json:"because,omitempty"` // the reason for which it declined
}

// String prints "inverse-1 to batch: batch-1, batch-2 on n1 by 12:30:00: a new kernel; declined: the only copy".
func (o InverseOffer) String() string {
	text := fmt.Sprintf("%s to %s: %s", o.ID, o.Framework, strings.Join(o.Tasks, ", "))
	if o.Node != "" {
		text += " on " + o.Node
	}
	text += " by " + o.Deadline.UTC().Format(time.TimeOnly) + ": " + o.Reason
	if o.Reply != Unanswered {
		text += "; " + o.Reply.String()
	}
	if o.Because != "" {
		text += ": " + o.Because
	}
	return text
}

// inverse is an inverse offer through its life, which is that of an offer without its first stages: it is open once it is made, whatever
// the framework replies, and over when it has been met, its deadline has passed, its recall is withdrawn or its node is gone.
type inverse struct {
	id      string
	number  uint64
	sub     *Subscription
	recall  *recall
	tasks   []string
	stage   stage
	reply   Reply
	because string
}

func (o *inverse) show() InverseOffer {
	return InverseOffer{
		ID: o.id, Framework: o.sub.client.name, Role: o.sub.client.role, Node: o.recall.Node, Tasks: slices.Clone(o.tasks),
		Reason: o.recall.Reason, Deadline: o.recall.Deadline, Until: o.recall.Until, Reply: o.reply, Because: o.because,
	}
}

// Inverse returns the inverse offers to the framework in its role that stand, whatever it has replied, the earliest made first. One stands until the
// framework has none of the tasks left ([Met]), its deadline passes ([Lapsed]), the host withdraws the recall ([Rescinded]) or the node
// goes ([NodeGone]); [Subscription.Ended] tells which. A framework that disconnects keeps them. The Book's Changed tells that there is a new one, or that
// one has ended.
func (s *Subscription) Inverse(ctx context.Context) ([]InverseOffer, error) {
	var out []InverseOffer
	err := s.do(ctx, "inverse offers", func() error {
		for _, o := range s.inverseInOrder() {
			out = append(out, o.show())
		}
		return nil
	})
	return out, err
}

// AcceptInverse says that the framework gives back what inverse offers ask for, by their deadlines. It ends nothing: the framework does, with
// its Book or its launcher, when it suits it. The last reply counts. It fails, having done nothing, if one of the inverse offers is
// unknown, another's or over, naming each.
func (s *Subscription) AcceptInverse(ctx context.Context, ids []string) error {
	return s.do(ctx, "accept inverse", func() error { return s.reply(ids, Accepted, "") })
}

// DeclineInverse says that the framework would rather not give back what inverse offers ask for, and why, in a few words, which
// the host is told by [Exchange.Recalls]. What becomes of the tasks at the deadline is the host's to say. The last reply counts. It fails as
// AcceptInverse does, or if there is no reason.
func (s *Subscription) DeclineInverse(ctx context.Context, ids []string, reason string) error {
	return s.do(ctx, "decline inverse", func() error { return s.reply(ids, Declined, reason) })
}

func (s *Subscription) reply(ids []string, with Reply, because string) error {
	var errs []error
	if with == Declined && strings.TrimSpace(because) == "" {
		errs = append(errs, errors.New("no reason"))
	}
	var found []*inverse
	for _, id := range ids {
		o := s.x.recalls.open[id]
		switch {
		case o == nil && s.x.ended.isOver(id):
			errs = append(errs, s.x.ended.why(id))
		case o == nil:
			errs = append(errs, fmt.Errorf("inverse offer %q: %w", id, ErrUnknownOffer))
		case o.sub.client.name != s.client.name:
			errs = append(errs, fmt.Errorf("inverse offer %q: %w", id, ErrForeign))
		case o.sub != s:
			errs = append(errs, fmt.Errorf("inverse offer %q: role %q: %w", id, string(o.sub.client.role), ErrOtherRole))
		}
		found = append(found, o)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.x.resume(s)
	for _, o := range found {
		o.reply, o.because = with, because
	}
	return nil
}

// inverseInOrder returns the inverse offers to a framework, the earliest made first.
func (s *Subscription) inverseInOrder() []*inverse {
	return slices.SortedFunc(maps.Keys(s.inverse), func(a, b *inverse) int { return cmp.Compare(a.number, b.number) })
}

// ask makes an inverse offer.
func (x *Exchange) ask(r *recall, s *Subscription) *inverse {
	o := &inverse{sub: s, recall: r, stage: open}
	o.id, o.number = x.numbered(x.cfg.Prefix + "inverse-")
	r.asked[s] = o
	x.recalls.open[o.id] = o
	if s.inverse == nil {
		s.inverse = map[*inverse]struct{}{}
	}
	s.inverse[o] = struct{}{}
	s.book.wake()
	return o
}

// endInverse ends an inverse offer, and remembers how.
func (x *Exchange) endInverse(o *inverse, how Ended) {
	if o.stage == over {
		return
	}
	o.stage = over
	x.ended.add(o.id, ending{how, o.sub.client.name})
	delete(o.recall.asked, o.sub)
	delete(x.recalls.open, o.id)
	delete(o.sub.inverse, o)
	o.sub.book.wake()
}
