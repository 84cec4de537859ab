package offers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Resume takes up again what an earlier framework of the name has placed, and returns how many tasks there were. They are charged to
// the framework from then on, and it may end them, as it may those that it has placed itself. For a framework whose process
// has begun anew, or that has unsubscribed: until it calls Resume such tasks are its role's. They are the tasks of its role and of the
// roles below that the source has in its name, or in its name in the role ("spark@ads", where it has joined it), as [cluster.TaskView] tells it, and that no other framework has, nor it in another role: so a name is to be given only to
// who may have what was placed in it. To call it again changes nothing. O(tasks of the source).
func (s *Subscription) Resume(ctx context.Context) (int, error) {
	n := 0
	err := s.do(ctx, "resume", func() error {
		x := s.x
		// What an earlier framework joined as another role may be its first one now, and the other way round, so both names are looked up.
		owner, ok := x.view.FindOwner(x.cfg.Prefix + s.client.name)
		part, joined := x.view.FindOwner(x.cfg.Prefix + s.inRole())
		if !ok && !joined {
			return nil
		}
		var sites []*site
		for slot := range uint32(x.view.Slots()) {
			r := x.view.Record(slot)
			if r.ID == "" || r.Group == store.Holds || !(ok && r.Owner == owner || joined && r.Owner == part) {
				continue
			}
			spec := x.view.SpecOf(r.Group)
			if _, taken := x.claimOn(slot, r); taken || !spec.Role().Within(s.client.role) {
				continue
			}
			c := &claim{sub: s, task: berth.Task{ID: r.ID, Group: spec}, slot: slot, life: r.Life()}
			if r.Row == store.None {
				x.lost = append(x.lost, c)
			} else {
				c.node = x.view.Node(r.Row).Node.ID
				sites = append(sites, x.rows[r.Row])
			}
			x.enlistClaim(c)
			n++
		}
		slices.SortFunc(sites, func(a, b *site) int { return cmp.Compare(a.id, b.id) })
		for _, at := range slices.Compact(sites) {
			x.reconcile(at)
		}
		x.recalls.anew = n > 0 || x.recalls.anew
		return nil
	})
	return n, err
}

// DefaultEvery is how often [Exchange.Run] makes a pass unless it is told otherwise.
const DefaultEvery = time.Second

// Run makes a pass now and then, every so often, until the context ends, and returns its cause. A pass in which nothing has happened costs
// one or two microseconds, so to have what is given back offered again soon costs little; but a framework that declines all that it gets
// is asked as often. tell is told of the errors of passes, which end nothing: what is wrong with one client is no matter of the
// others', and a source that has failed is asked again. No tell tells nobody. 0 is DefaultEvery. It fails at once if every is
// negative, or for an Exchange that was not made.
func (x *Exchange) Run(ctx context.Context, every time.Duration, tell func(error)) error {
	if every < 0 {
		return errors.New("offers: run: every is negative")
	}
	if ctx == nil {
		return errors.New("offers: run: no context")
	}
	if err := x.call("run", func() error { return nil }); err != nil {
		return err
	}
	tick := time.NewTicker(cmp.Or(every, DefaultEvery))
	defer tick.Stop()
	for {
		if _, err := x.Offer(ctx); err != nil && ctx.Err() == nil && tell != nil {
			tell(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
