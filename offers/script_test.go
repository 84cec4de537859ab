package offers_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/script"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// The scripts in testdata tell how offers come and go, one scenario a file.
func TestScripts(t *testing.T) {
	script.RunAll(t, "testdata/*.txt", func(t *testing.T) func(*testing.T, script.Command) string {
		s := &story{world: newWorld(t, offers.Config{}), groups: map[string]*berth.Group{}}
		return func(_ *testing.T, cmd script.Command) string { return s.do(cmd) }
	})
}

type story struct {
	*world
	groups map[string]*berth.Group
}

func (s *story) number(cmd script.Command, key string) int64 {
	v := cmd.Value(key)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseInt(v, 10, 64)
	require.NoError(s.world.t, err, cmd.Pos)
	return n
}

// do runs one command:
//
//	optimistic                                        begins anew with optimistic offers
//	node ID [cpu=N] [zone=Z]                          a node joins
//	weight ROLE THOUSANDTHS
//	subscribe NAME role=ROLE [blind=yes]
//	want NAME GROUP [cpu=N] [count=N] [mode=daemon] [unique=ATTRIBUTE]
//	pass                                              a pass of offers
//	offers                                            who has which
//	decline NAME [OFFER...] [for=DURATION]
//	accept NAME OFFER TASK cpu=N on=NODE
//	place NAME GROUP [n=N] [cpu=N] [unique=ATTRIBUTE] by its Book, or by the State for the name "everything"
//	release TASK...
//	confirm TASK...
//	wait DURATION
//	book NAME                                         the nodes of a Book
//	shares                                            dominant shares by role
//	coverage GROUP
func (s *story) do(cmd script.Command) string {
	w := s.world
	args := cmd.Positional()
	one := func(i int) string {
		require.Greater(w.t, len(args), i, "%s: too few words", cmd.Pos)
		return args[i]
	}
	sub := func() *offers.Subscription {
		f := w.subs[one(0)]
		require.NotNil(w.t, f, "%s: nobody is named %s", cmd.Pos, one(0))
		return f
	}
	duration := func(v string) time.Duration {
		d, err := time.ParseDuration(v)
		require.NoError(w.t, err, cmd.Pos)
		return d
	}
	result := func(err error) string {
		if err != nil {
			return err.Error()
		}
		return "ok"
	}
	switch cmd.Name {
	case "optimistic":
		s.world = newWorld(w.t, offers.Config{Lease: berth.Optimistic})
		return "ok"
	case "node":
		n := node(one(0), s.number(cmd, "cpu")*1000, 0)
		if z := cmd.Value("zone"); z != "" {
			n.Attributes = berth.Attributes{"zone": z}
		}
		return result(w.state.AddNodes(n))
	case "weight":
		v, err := strconv.Atoi(one(1))
		require.NoError(w.t, err, cmd.Pos)
		return result(w.drf.SetWeight(berth.Role(one(0)), allocator.Weight(v)))
	case "subscribe":
		f, err := w.x.Subscribe(offers.Framework{Name: one(0), Role: berth.Role(cmd.Value("role")), Blind: cmd.Value("blind") == "yes"})
		if err == nil {
			w.subs[one(0)] = f
		}
		return result(err)
	case "want":
		if len(args) == 1 {
			return result(sub().Want())
		}
		return result(sub().Want(offers.Demand{Group: s.group(cmd, one(1), s.role(one(0))), Count: int(s.number(cmd, "count"))}))
	case "pass":
		return fmt.Sprintf("%d made\n%s", w.offer(), s.offers())
	case "offers":
		return s.offers()
	case "decline":
		f := sub()
		which := args[1:]
		if len(which) == 0 {
			which = ids(w.t, f)
		}
		var filter offers.Filter
		if v := cmd.Value("for"); v != "" {
			filter.For = duration(v)
		}
		return result(f.Decline(ctx, which, filter))
	case "accept":
		task := berth.NewTask(one(2), berth.GroupSpec{Role: s.role(one(0)), Request: res{"cpu": s.number(cmd, "cpu") * 1000}})
		out, err := sub().Accept(ctx, []string{one(1)}, placeOn(task, cmd.Value("on")), offers.Filter{})
		if err != nil {
			return err.Error()
		}
		return outcome(out)
	case "place":
		var source scheduler.Source = w.state
		role := berth.Role("")
		if one(0) != "everything" {
			source, role = sub().Book(), s.role(one(0))
		}
		g := s.group(cmd, one(1), role)
		tasks := g.Tasks(int(max(1, s.number(cmd, "n"))))
		if g.Mode() == berth.Daemon {
			tasks = []berth.Task{g.Everywhere()}
		}
		return outcome(schedule(w.t, source, tasks...))
	case "release":
		return result(w.state.Release(args...))
	case "confirm":
		return result(w.state.Confirm(args...))
	case "wait":
		w.now = w.now.Add(duration(one(0)))
		n, err := w.x.Expire(ctx)
		require.NoError(w.t, err)
		return fmt.Sprintf("%d leases expired", n)
	case "book":
		var b strings.Builder
		for n := range snapshotOf(w.t, sub().Book()).Nodes() {
			fmt.Fprintf(&b, "%s: %v free", n.ID(), n.Free())
			for t := range n.Tasks() {
				fmt.Fprintf(&b, ", %v %v", t.Task, t.State)
			}
			b.WriteByte('\n')
		}
		return b.String()
	case "shares":
		var b strings.Builder
		for c := range w.drf.Order() {
			share, _ := w.drf.RoleShare(c.Role)
			fmt.Fprintf(&b, "%v: %v\n", c.Role, share)
		}
		return b.String()
	case "coverage":
		snapshot, err := w.x.Snapshot(ctx)
		require.NoError(w.t, err)
		c, err := scheduler.CoverageOf(snapshot, s.groups[one(0)])
		require.NoError(w.t, err)
		return c.String()
	}
	require.Fail(w.t, "unknown command", "%s: %s", cmd.Pos, cmd.Name)
	return ""
}

func (s *story) role(framework string) berth.Role {
	for c := range s.drf.Order() {
		if c.Name == framework {
			return c.Role
		}
	}
	return ""
}

// group returns the group of that name, made of the command's words the first time it is mentioned.
func (s *story) group(cmd script.Command, name string, role berth.Role) *berth.Group {
	if g := s.groups[name]; g != nil {
		return g
	}
	spec := berth.GroupSpec{Role: role, Request: res{"cpu": s.number(cmd, "cpu") * 1000}}
	if cmd.Value("mode") == "daemon" {
		spec.Mode = berth.Daemon
	}
	if key := cmd.Value("unique"); key != "" {
		spec.Rules = []berth.Constraint{constraints.Unique(key)}
	}
	g := berth.NewGroup(name, spec)
	s.groups[name] = g
	return g
}

func (s *story) offers() string {
	var b strings.Builder
	names := make([]string, 0, len(s.subs))
	for name := range s.subs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		all, err := s.subs[name].Offers(ctx)
		require.NoError(s.world.t, err)
		for _, o := range all {
			fmt.Fprintf(&b, "%s has %s: %v on %s\n", name, o.ID, o.Resources, o.Node)
		}
	}
	return b.String()
}

func outcome(out *cluster.Outcome) string {
	var b strings.Builder
	for _, op := range out.Placed {
		fmt.Fprintf(&b, "%v on %s\n", op.Task, op.Node)
	}
	for _, r := range out.Refused {
		fmt.Fprintf(&b, "refused: %v\n", r)
	}
	for _, u := range out.Unplaced {
		fmt.Fprintf(&b, "%v\n", u)
	}
	if b.Len() == 0 {
		return "nothing to do"
	}
	return b.String()
}
