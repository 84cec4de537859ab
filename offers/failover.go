package offers

import (
	"context"
)

// Disconnect says that the framework's process has gone, or cannot be reached: in all of its roles its offers are taken back, with the end
// [Disconnected], its filters are forgotten, and it is offered nothing until [Subscription.Reconnect]. All else stays: its tasks run and are
// charged to it, so its shares are what they were, and what it declared, its terms and the roles in which it is suppressed are kept. For how long a
// framework may be away is the host's to say, who ends it with [Subscription.Unsubscribe]. It does nothing if the framework has
// disconnected already.
func (s *Subscription) Disconnect(ctx context.Context) error {
	return s.do(ctx, "disconnect", func() error {
		if s.away {
			return nil
		}
		parts := s.x.parts[s.client.name]
		var offers []*offer
		given := make([]int, len(parts))
		for i, p := range parts {
			given[i] = len(p.offers)
			offers = append(offers, p.inOrder()...)
		}
		if err := s.x.takeAway(ctx, offers, &Ended{End: Disconnected}); err != nil {
			return err
		}
		for i, p := range parts {
			s.x.mind(p, Answers{Declined: given[i]})
			p.away = true // all of them, before the order may panic: it is told again what is noted
			s.x.forgetFiltersOf(p)
		}
		for _, p := range parts {
			s.x.account.away(p.client)
		}
		return nil
	})
}

// Reconnect says that the framework is back: it takes part from the next pass on, in the roles in which it is not suppressed. A framework whose
// process has begun anew reads its tasks from its Books, and declares what it wants with [Subscription.Want]. It does nothing
// if the framework has not disconnected.
func (s *Subscription) Reconnect() error {
	return s.call("reconnect", func() error {
		if !s.away {
			return nil
		}
		parts := s.x.parts[s.client.name]
		for _, p := range parts {
			p.away = false // all of them, before the order may panic: it is told again what is noted
			s.x.resume(p)
			s.x.recount(p)
			s.x.hurry(p)
			p.book.wake()
		}
		for _, p := range parts {
			if p.suppressed {
				continue
			}
			if err := s.x.account.activate(p.client, true); err != nil {
				s.x.account.fault(err)
			}
		}
		return nil
	})
}
