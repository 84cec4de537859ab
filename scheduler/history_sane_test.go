package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// orders is the picture of a State with what has an order besides: the tasks of each group and the holds.
func orders(s *State, groups []*berth.Group) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	snapshot := s.live.fork.Snapshot()
	var b strings.Builder
	b.WriteString(picture(snapshot, groups))
	for _, g := range groups {
		if g != nil {
			for t := range snapshot.Group(g.Name()) {
				fmt.Fprintf(&b, "%v %v %v;", t.Task, t.State, t.Grant)
			}
		}
	}
	for hold := range snapshot.Holds() {
		fmt.Fprintf(&b, "%+v;", hold)
	}
	for n := range snapshot.Nodes() {
		fmt.Fprintf(&b, "%#v;", n.Node())
	}
	return b.String()
}

func (h *history) picture() string {
	h.state.mu.Lock()
	defer h.state.mu.Unlock()
	return picture(h.state.live.fork.Snapshot(), h.groups)
}

// picture prints all there is to see of a snapshot.
func picture(s *cluster.Snapshot, groups []*berth.Group) string {
	var b strings.Builder
	for n := range s.Nodes() {
		fmt.Fprintf(&b, "%s cordoned %v: %v of %v free, devices %v\n", n.ID(), n.Cordoned(), n.Free(), n.Capacity(), n.FreeDevices())
		for t := range n.Tasks() {
			fmt.Fprintf(&b, "  %v %v %v %v %s\n", t.Task, t.State, t.Grant, t.Deadline, t.Owner)
		}
	}
	for r := range s.Roles() {
		fmt.Fprintf(&b, "%v, has %v, alone %v\n", r.Quota, r.Used, r.Own)
	}
	holds := slices.SortedFunc(s.Holds(), func(a, b berth.Hold) int { return strings.Compare(a.ID, b.ID) })
	for _, h := range holds {
		fmt.Fprintf(&b, "%s for %s on %s: %v %v %v until %v\n", h.ID, h.Owner, h.Node, h.Resources, h.Devices, h.Ports, h.Deadline)
	}
	for _, g := range groups {
		if g == nil {
			continue
		}
		for t := range s.Group(g.Name()) {
			if t.Node == "" {
				fmt.Fprintf(&b, "%v %v\n", t.Task, t.State)
			}
		}
	}
	return b.String()
}

// sane recomputes, from the tasks and holds alone, everything that the State keeps up to date.
func (h *history) sane() {
	l := h.state.live
	s := l.fork.Snapshot()
	tasks, want := 0, sums{}
	deadlines := map[expiry]bool{}
	perNode := map[string]int{}
	perZone := map[string]int{}
	for n := range s.Nodes() {
		free, devices := n.Capacity(), make([]int64, len(n.Node().Devices))
		for i := range devices {
			devices[i] = berth.DeviceUnits
		}
		ports := map[berth.Port]string{}
		take := func(who string, cost berth.Resources, shares []berth.DeviceShare, taken []berth.Port) {
			for name, q := range cost {
				free[name] -= q
			}
			node := n.Node()
			for i, share := range fit.DevicesOf(&node, shares) {
				if i >= 0 {
					devices[i] -= share.Units
				}
			}
			for _, p := range taken {
				if other, ok := ports[p]; ok {
					h.fail("port %v of %s is both %s's and %s's", p, n.ID(), other, who)
				}
				ports[p] = who
			}
		}
		zone, _ := n.Attribute("zone")
		for t := range n.Tasks() {
			tasks++
			if v, ok := s.Task(t.ID); !ok || v.Node != n.ID() || v.State == berth.Lost {
				h.fail("%v is on %s, but is known as %v", t.Task, n.ID(), v)
			}
			grant := t.Grant
			if grant == nil {
				grant = &berth.Grant{}
			}
			cost, node := t.Group.Cost(), n.Node()
			for i, share := range fit.DevicesOf(&node, grant.Devices) {
				if i < 0 { // what the node does not have is not taken of it
					cost["gpu"] -= share.Units
				}
			}
			take(t.ID, cost, grant.Devices, grant.Ports)
			if !t.Deadline.IsZero() {
				deadlines[expiry{store.DeadlineOf(t.Deadline), "task " + t.ID}] = true
				if t.State != berth.Assumed {
					h.fail("%v is %v and expires", t.Task, t.State)
				}
			}
			want.enter(t.Group.Role(), t.Owner, t.Group.Cost())
			switch t.Group.Name() {
			case "web":
				if perNode[n.ID()]++; perNode[n.ID()] > 1 || zone.String() == "c" {
					h.fail("hard-constraints-hold: %v on %s", t.Task, n.ID())
				}
			case "gang":
				if perZone[zone.String()]++; perZone[zone.String()] > 2 {
					h.fail("hard-constraints-hold: %v is one too many in zone %v", t.Task, zone)
				}
			}
		}
		for hold := range s.Holds() {
			if hold.Node != n.ID() || hold.Lease != berth.Exclusive {
				continue
			}
			cost, node := hold.Resources.Clone(), n.Node()
			for i, share := range fit.DevicesOf(&node, hold.Devices) {
				if i >= 0 {
					cost["gpu"] += share.Units
				}
			}
			take(hold.ID, cost, hold.Devices, hold.Ports)
		}
		for role, idle := range n.Idle() { // what that comes to, package cluster's tests know
			for name, q := range idle {
				free[name] -= q
			}
			want.enter(role, "", idle)
		}
		if !n.Free().Equal(free) {
			h.fail("%s has %v free, its tasks and holds leave %v", n.ID(), n.Free(), free)
		}
		if !slices.Equal(n.FreeDevices(), devices) {
			h.fail("%s has devices %v free, its tasks and holds leave %v", n.ID(), n.FreeDevices(), devices)
		}
	}
	for hold := range s.Holds() {
		if _, ok := s.Node(hold.Node); !ok {
			h.fail("hold %s is on no node", hold.ID)
		}
		if hold.Lease == berth.Reserved {
			continue
		}
		deadlines[expiry{store.DeadlineOf(hold.Deadline), "hold " + hold.ID}] = true
		want.enter(hold.Role, hold.Owner, hold.Cost())
	}
	for _, g := range h.groups[:adopted+1] {
		for t := range s.Group(g.Name()) {
			if t.Node == "" {
				tasks++
				if t.State != berth.Lost {
					h.fail("%v is on no node and %v", t.Task, t.State)
				}
			}
		}
	}
	if tasks != s.Tasks() {
		h.fail("%d tasks, but %d are counted", tasks, s.Tasks())
	}
	h.saneDeadlines(l, deadlines)
	h.saneLedger(s, want)
}

func (h *history) saneDeadlines(l *live, want map[expiry]bool) {
	got := map[expiry]bool{}
	for e := range l.tasks.all() {
		got[expiry{e.at, "task " + e.id}] = true
	}
	for e := range l.holds.all() {
		got[expiry{e.at, "hold " + e.id}] = true
	}
	if !maps.Equal(got, want) {
		h.fail("deadlines are %v, those of tasks and holds %v", got, want)
	}
}

// sums is what roles, those below them included, roles alone and owners have, added up one by one.
type sums map[string]berth.Resources

func (s sums) add(name string, cost berth.Resources) {
	if s[name] == nil {
		s[name] = berth.Resources{}
	}
	for r, q := range cost {
		s[name][r] += q
	}
}

func (s sums) enter(role berth.Role, owner string, cost berth.Resources) {
	s.add("alone "+string(role), cost)
	if owner != "" {
		s.add("owner "+owner, cost)
	}
	for s.add("role "+string(role), cost); role != ""; {
		role = role.Parent()
		s.add("role "+string(role), cost)
	}
}

// saneLedger checks ledger-equals-sum.
func (h *history) saneLedger(s *cluster.Snapshot, want sums) {
	same := func(name string, got berth.Resources) {
		if !got.Equal(want[name]) {
			h.fail("ledger-equals-sum: %s has %v, its tasks and holds come to %v", name, got, want[name])
		}
		delete(want, name)
	}
	for r := range s.Roles() {
		same("alone "+string(r.Role), r.Own)
		if !s.Used(r.Role).Equal(r.Used) {
			h.fail("%q uses %v or %v", r.Role, s.Used(r.Role), r.Used)
		}
		same("role "+string(r.Role), r.Used)
	}
	for _, owner := range []string{"o0", "o1", "o7"} {
		same("owner "+owner, s.UsedBy(owner))
	}
	if len(want) > 0 {
		h.fail("ledger-equals-sum: nobody has %v", want)
	}
}
