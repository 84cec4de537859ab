package scheduler_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/script"
	"github.com/berth-sched/berth/scheduler"
)

// TestScripts replays the stories in testdata. Their commands are those of a State; "commit" takes a plan, one
// operation a line:
//
//	place ID ON-NODE [group=G] [cpu=N] [gpu=SHARE] [from=OWNER]
//	hold ID OWNER NODE SECONDS [cpu=N] [lease=optimistic]
//	drop ID, release ID, evict ID
func TestScripts(t *testing.T) {
	script.RunAll(t, "testdata/*.txt", func(t *testing.T) func(*testing.T, script.Command) string {
		w := &world{groups: map[string]*berth.Group{}}
		w.state = newState(t, scheduler.StateConfig{
			Clock:     func() time.Time { return time.Unix(0, 0).Add(w.now) },
			AssumeFor: time.Minute,
			Record:    func(c scheduler.Command) error { w.record = append(w.record, c); return nil },
		})
		return w.do
	})
}

type world struct {
	state  *scheduler.State
	now    time.Duration
	groups map[string]*berth.Group
	record []scheduler.Command
}

func (w *world) do(t *testing.T, cmd script.Command) string {
	ids := cmd.Positional()
	switch cmd.Name {
	case "add":
		return result(w.state.AddNodes(scriptNode(t, cmd)))
	case "update":
		return result(w.state.UpdateNodes(scriptNode(t, cmd)))
	case "remove":
		return result(w.state.RemoveNodes(ids...))
	case "cordon":
		return result(w.state.Cordon(ids...))
	case "uncordon":
		return result(w.state.Uncordon(ids...))
	case "adopt":
		return result(w.state.Adopt(scheduler.Running{Task: w.task(t, cmd), Node: ids[1]}))
	case "confirm":
		return result(w.state.Confirm(ids...))
	case "stop":
		return result(w.state.Stop(ids...))
	case "release":
		return result(w.state.Release(ids...))
	case "hold":
		return result(w.state.Hold(w.hold(t, cmd)))
	case "drop":
		return result(w.state.DropHold(ids...))
	case "wait":
		w.now += time.Duration(number(t, cmd, ids[0])) * time.Second
		tasks, holds, _ := w.state.Expire()
		var b strings.Builder
		for _, v := range tasks {
			fmt.Fprintf(&b, "%v expired on %s\n", v.Task, v.Node)
		}
		for _, h := range holds {
			fmt.Fprintf(&b, "hold %s expired on %s\n", h.ID, h.Node)
		}
		return b.String() + "it is " + w.now.String()
	case "commit":
		return w.commit(t, cmd)
	case "show":
		return w.show(t)
	case "replay":
		again := newState(t, scheduler.StateConfig{Clock: func() time.Time { return time.Unix(0, 0).Add(w.now) }})
		if err := again.Replay(w.record...); err != nil {
			return err.Error()
		}
		live, other := w.show(t), (&world{state: again}).show(t)
		require.Equal(t, live, other)
		return fmt.Sprintf("%d commands give the same state", len(w.record))
	}
	t.Fatalf("%s: unknown command %s", cmd.Pos, cmd.Name)
	return ""
}

func (w *world) commit(t *testing.T, cmd script.Command) string {
	p := newPlan(t, w.state)
	p.Together = cmd.Values("together")
	for line := range strings.Lines(cmd.Input) {
		op := scriptLine(t, cmd, line)
		ids := op.Positional()
		switch op.Name {
		case "place":
			p.Place(w.task(t, op), ids[1])
			p.Ops[len(p.Ops)-1].From = op.Value("from")
		case "hold":
			p.Take(w.hold(t, op))
		case "drop":
			p.Drop(ids[0])
		case "release":
			p.Release(ids[0])
		case "evict":
			var hold *berth.Hold
			if len(ids) > 1 {
				op.Args = op.Args[1:]
				h := w.hold(t, op)
				hold = &h
			}
			p.Evict(ids[0], hold)
		default:
			t.Fatalf("%s: unknown operation %s", cmd.Pos, op.Name)
		}
	}
	out, err := w.state.Commit(context.Background(), p)
	require.NoError(t, err, cmd.Pos)
	var b strings.Builder
	for _, op := range out.Placed {
		fmt.Fprintln(&b, op)
	}
	for _, r := range out.Refused {
		fmt.Fprintln(&b, "refused:", r)
	}
	if b.Len() == 0 {
		return "ok"
	}
	return b.String()
}

func (w *world) show(t *testing.T) string {
	s := snapshotOf(t, w.state)
	var b strings.Builder
	for n := range s.Nodes() {
		fmt.Fprintf(&b, "%s: %v free", n.ID(), n.Free())
		if n.Cordoned() {
			b.WriteString(", cordoned")
		}
		if n.Overcommitted() {
			b.WriteString(", overcommitted")
		}
		b.WriteByte('\n')
		for v := range n.Tasks() {
			fmt.Fprintf(&b, "  %v %v", v.Task, v.State)
			if !v.Deadline.IsZero() {
				fmt.Fprintf(&b, " until %v", v.Deadline.Sub(time.Unix(0, 0)))
			}
			if v.Grant != nil {
				fmt.Fprintf(&b, ", devices %v", v.Grant)
			}
			b.WriteByte('\n')
		}
		holds := slices.SortedFunc(s.Holds(), func(a, b berth.Hold) int { return strings.Compare(a.ID, b.ID) })
		for _, h := range holds {
			if h.Node == n.ID() {
				fmt.Fprintf(&b, "  hold %s for %s until %v: %v\n", h.ID, h.Owner, h.Deadline.Sub(time.Unix(0, 0)), h.Resources)
			}
		}
	}
	if b.Len() == 0 {
		return "nothing"
	}
	return b.String()
}

func result(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func number(t *testing.T, cmd script.Command, text string) int64 {
	t.Helper()
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err, cmd.Pos)
	return n
}

func scriptNode(t *testing.T, cmd script.Command) berth.Node {
	n := berth.Node{ID: cmd.Positional()[0], Capacity: berth.Resources{"cpu": number(t, cmd, cmd.Value("cpu"))}}
	for range number(t, cmd, cmd.Value("gpus")) {
		n.Devices = append(n.Devices, berth.Device{Class: "gpu"})
	}
	return n
}

func (w *world) task(t *testing.T, cmd script.Command) berth.Task {
	id := cmd.Positional()[0]
	name := cmd.Value("group")
	if name == "" {
		name = id
	}
	g := w.groups[name]
	if g == nil {
		spec := berth.GroupSpec{Request: berth.Resources{"cpu": number(t, cmd, cmd.Value("cpu"))}}
		if share := number(t, cmd, cmd.Value("gpu")); share > 0 {
			spec.Devices = []berth.DeviceRequest{{Class: "gpu", Share: share}}
		}
		g = berth.NewGroup(name, spec)
		w.groups[name] = g
	}
	return g.Task(id)
}

func (w *world) hold(t *testing.T, cmd script.Command) berth.Hold {
	ids := cmd.Positional()
	h := berth.Hold{
		ID: ids[0], Owner: ids[1], Node: ids[2],
		Resources: berth.Resources{"cpu": number(t, cmd, cmd.Value("cpu"))},
		Deadline:  time.Unix(0, 0).Add(w.now + time.Duration(number(t, cmd, ids[3]))*time.Second).UTC(),
	}
	if cmd.Value("lease") == "optimistic" {
		h.Lease = berth.Optimistic
	}
	return h
}

// scriptLine reads an operation of a plan: words, and key=value.
func scriptLine(t *testing.T, cmd script.Command, line string) script.Command {
	words := strings.Fields(line)
	require.NotEmpty(t, words, cmd.Pos)
	op := script.Command{Pos: cmd.Pos, Name: words[0]}
	for _, word := range words[1:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			key, value = "", word
		}
		op.Args = append(op.Args, script.Arg{Key: key, Values: []string{value}})
	}
	return op
}
