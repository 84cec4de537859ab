package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// draft is an offer that the pass means to make, and the hold that it is to be.
type draft struct {
	*offer
	hold    berth.Hold
	devices shareIndex // of the hold's devices
	each    *stock     // what it was charged
	gang    int        // which gang it is part of, from 1; 0 of none
	of      *want      // whose pieces it is of, if they are counted,
	pieces  int        // and how many
}

// grow adds the room of one task to a draft.
func (d *draft) grow(w *want, grant *berth.Grant) {
	for name, q := range w.request {
		d.hold.Resources[name] += q
	}
	if grant == nil {
		return
	}
	for _, share := range grant.Devices {
		d.hold.Devices = d.devices.add(d.hold.Devices, share)
	}
	d.hold.Ports = append(d.hold.Ports, grant.Ports...)
}

// add drafts an offer of a node that is being put.
func (p *pass) add(s *Subscription, at *site, g *berth.Group) *draft {
	const chunk = 16 // one offer of a chunk that lasts keeps the others' room
	if len(p.offers) == 0 {
		p.offers, p.room = make([]offer, chunk), make([]draft, chunk)
	}
	o, d := &p.offers[0], &p.room[0]
	p.offers, p.room = p.offers[1:], p.room[1:]
	*o = offer{sub: s, site: at, group: g, owner: p.x.own(s), deadline: p.x.now.Add(s.leaseFor), stage: drafted}
	d.offer = o
	p.drafts = append(p.drafts, d)
	if at.kept != nil && at.kept.sub == s && at.kept.group == g {
		at.kept.served = true
	}
	s.planned++
	return d
}

// awaits reports whether a framework has an offer for a group on a node that it has not answered.
func (at *site) awaits(s *Subscription, g *berth.Group) bool {
	for _, o := range at.offers {
		if o.sub == s && o.group != nil && o.group.Equal(g) {
			return true
		}
	}
	return false
}

// unit names one piece on a fork, where nothing else may be named so, whatever tenants name their tasks.
func (p *pass) unit() string {
	for {
		p.units++
		id := "piece " + strconv.Itoa(p.units) + " of an offer"
		_, task := p.x.view.FindTask(id)
		if _, hold := p.x.view.FindHold(id); !task && !hold {
			return id
		}
	}
}

// takeBack drops the drafts, and credits what they were charged.
func (p *pass) takeBack() {
	for _, d := range p.drafts {
		p.x.freshen(d.site)
		p.x.reconcile(d.site)
		p.x.recount(d.sub)
		p.x.hurry(d.sub)
	}
}

// alarm returns that of offers of a lease.
func (p *pass) alarm(lease time.Duration) *alarm {
	a := p.alarms[lease]
	if a == nil {
		a = p.x.alarms.set(alarm{at: p.x.now.Add(lease)})
		if p.alarms == nil {
			p.alarms = map[time.Duration]*alarm{}
			a.offers = make([]*offer, 0, len(p.drafts)) // as a rule there is but one lease
		}
		p.alarms[lease] = a
	}
	return a
}

// commit makes the drafts offers, all in one plan.
func (p *pass) commit() (int, error) {
	x := p.x
	if len(p.drafts) == 0 {
		x.passes++
		return 0, nil
	}
	plan := &cluster.Plan{Version: x.snapshot.Version(), Ops: make([]berth.Op, 0, len(p.drafts))}
	gang := 0 // of the draft before
	word := cmp.Or(x.cfg.Prefix, defaultPrefix)
	x.offers.grow(len(p.drafts))
	for _, d := range p.drafts {
		d.addUp(x)
		d.alarm = p.alarm(d.sub.leaseFor)
		d.alarm.left++
		d.id, d.number = x.numbered(word)
		d.hold.ID, d.hold.Owner, d.hold.Role, d.hold.Node = d.id, d.owner, d.sub.client.role, d.site.id
		d.hold.Lease, d.hold.Deadline = x.cfg.Lease, d.deadline
		slices.SortFunc(d.hold.Ports, berth.Port.Compare)
		if n := len(plan.Parts); d.gang > 0 && n > 0 && plan.Parts[n-1].End == len(plan.Ops) && d.gang == gang {
			plan.Parts[n-1].End++
		} else if gang = d.gang; gang > 0 {
			plan.Parts = append(plan.Parts, cluster.Part{Name: "gang " + d.group.Name(), First: len(plan.Ops), End: len(plan.Ops) + 1})
		}
		plan.Ops = append(plan.Ops, berth.Op{Kind: berth.Take, Hold: &d.hold})
		x.propose(d.offer)
	}
	out, err := x.commit(p.ctx, plan)
	if err != nil {
		for _, d := range p.drafts {
			x.withdraw(d.offer)
		}
		p.takeBack()
		return 0, err
	}
	x.passes++
	made := len(p.drafts)
	if len(out.Refused) == 0 && x.syncOwn(p.ctx, p.drafts) {
		return made, nil
	}
	var errs []error
	var refused []*offer
	for _, r := range out.Refused {
		if r.Op.Hold == nil {
			continue
		}
		o, ok := x.offers.get(r.Op.Hold.ID)
		if !ok || o.stage != proposed {
			continue
		}
		made--
		x.withdraw(o)
		refused = append(refused, o)
		if r.Reason.Code == berth.Invalid { // such as a lease beyond the end of time
			errs = append(errs, fmt.Errorf("%v: %w", r.Op, r.Reason))
		}
	}
	errs = append(errs, x.sync(context.WithoutCancel(p.ctx)))
	for _, o := range refused {
		x.freshen(o.site)
		x.reconcile(o.site)
	}
	return made, errors.Join(errs...)
}

// syncOwn is sync after a commit that made all of the offers, where nothing else has happened: then all that there is to know is known. It
// returns false, and has done nothing that sync does not do again, where that is not so.
func (x *Exchange) syncOwn(ctx context.Context, drafts []*draft) bool {
	snapshot, err := x.source.Snapshot(context.WithoutCancel(ctx))
	if err != nil || snapshot == nil {
		return false
	}
	view := (*store.View)(snapshot).Shown()
	changes, ok := view.Since(x.seen.at)
	if !ok || len(changes) != len(drafts) || len(x.placed) > 0 || x.branch != view.Version().Branch {
		return false
	}
	for i, d := range drafts {
		if changes[i] != (store.Change{Row: d.site.row, Group: store.Holds}) {
			return false
		}
	}
	before, old := x.snapshot, x.view
	x.snapshot, x.view = snapshot, view
	for _, d := range drafts {
		if d.seen, ok = x.hold(d.offer); !ok {
			x.snapshot, x.view = before, old
			d.seen = nil
			return false
		}
	}
	x.seen = cursor{}
	sites := make([]*site, len(drafts))
	for i, d := range drafts {
		if d.what, d.stage = d.each, open; d.each == nil {
			d.seen = nil // it is added up when somebody asks
		}
		d.sub.book.wake()
		sites[i] = d.site
		if x.note(d.site.row); x.room.has(d.site.row) {
			x.fresh.add(d.site.row)
		}
	}
	x.proposed = nil
	x.tellBooks(sites, changes, true)
	x.recharge(sites)
	x.payDebts()
	x.seen = cursor{view.Position()}
	return true
}
