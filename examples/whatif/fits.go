package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// about is what every answer has: the cluster that it is about.
type about struct {
	Nodes   int      `json:"nodes"`
	Pods    int      `json:"pods"`
	Waiting int      `json:"waiting"`
	Unsaid  []string `json:"unsaid,omitempty"` // what berth has no words for, with the number of objects
}

func (w *world) about() about {
	a := about{Nodes: len(w.nodes), Pods: w.on, Waiting: w.waiting}
	for _, what := range slices.Sorted(maps.Keys(w.left)) {
		a.Unsaid = append(a.Unsaid, fmt.Sprintf("%d %s", w.left[what], what))
	}
	return a
}

func (a about) head(w *lines) {
	w.add(0, "nodes %d, pods on them %d, waiting %d", a.Nodes, a.Pods, a.Waiting)
}

func (a about) foot(w *lines) {
	if len(a.Unsaid) > 0 {
		w.add(0, "not looked at:")
		for _, u := range a.Unsaid {
			w.add(1, "%s", u)
		}
	}
}

// on is how many pods go to a node.
type on struct {
	Node string `json:"node"`
	Pods int    `json:"pods"`
}

// mostFirst returns counts by node, the greatest first.
func mostFirst(counts map[string]int) []on {
	var out []on
	for _, node := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, on{node, counts[node]})
	}
	slices.SortStableFunc(out, func(a, b on) int { return cmp.Compare(b.Pods, a.Pods) })
	return out
}

// blocked says why a pod has no place.
type blocked struct {
	Fit int `json:"nodesThatFit"`
	// Failing are the nodes that cannot take it, by all that they fail by.
	Failing []failing `json:"failing,omitempty"`
	// Resolvable is on how many of them ending other pods may help.
	Resolvable int `json:"resolvable"`
}

type failing struct {
	Nodes   int      `json:"nodes"`
	Reasons []string `json:"reasons"`
	Nearest string   `json:"nearest"`
	Lacks   []string `json:"lacks"`
	Helps   string   `json:"helps,omitempty"`
}

// blockedBy says why a pod of a group has no place now. Nodes that are drained are left out: they were to be.
func (w *world) blockedBy(g *berth.Group) *blocked {
	d := w.fork.Diagnose(g)
	b := &blocked{Fit: d.Fit, Resolvable: d.Resolvable()}
	for _, f := range d.Failing {
		if slices.Contains(f.Reasons, berth.Reason{Code: berth.Cordoned}) {
			continue
		}
		out := failing{Nodes: f.Nodes, Nearest: f.Nearest.Node, Helps: f.Helps}
		for _, r := range f.Reasons {
			out.Reasons = append(out.Reasons, r.String())
		}
		for _, l := range f.Nearest.Lacks {
			out.Lacks = append(out.Lacks, w.named(l.String()))
		}
		b.Failing = append(b.Failing, out)
	}
	return b
}

// named puts the names of pods where their UIDs are.
func (w *world) named(text string) string {
	if w.names == nil {
		var pairs []string
		for uid, p := range w.pods { // none is a part of another: the order does not matter
			pairs = append(pairs, uid, namespaced(&p.ObjectMeta))
		}
		w.names = strings.NewReplacer(pairs...)
	}
	return w.names.Replace(text)
}

func (b *blocked) text(w *lines, indent int) {
	for _, f := range b.Failing {
		line := fmt.Sprintf("%d %s", f.Nodes, strings.Join(f.Reasons, " and "))
		if f.Nearest != "" {
			line += fmt.Sprintf("; nearest %s: %s", f.Nearest, strings.Join(f.Lacks, ", "))
		}
		if f.Helps != "" {
			line += "; " + f.Helps
		}
		w.add(indent, "%s", line)
	}
	if b.Resolvable > 0 {
		w.add(indent, "ending other pods may help on %d", b.Resolvable)
	}
}

// fitting answers "fits".
type fitting struct {
	about
	Kinds []fit `json:"fits"`
}

type fit struct {
	Pod string `json:"pod"`
	// More is how many more fit, AtLeast that no more were counted.
	More    int  `json:"more"`
	AtLeast bool `json:"atLeast,omitempty"`
	// Best are the nodes that the next one would go to, the best first.
	Best []string `json:"best,omitempty"`
	// On says where they would go, by node.
	On []on `json:"on,omitempty"`
	// Next is what blocks the one after the last.
	Next *blocked `json:"next,omitempty"`
}

// fits tells of each kind by itself how many more fit: the kinds do not take each other's room.
func fits(ctx context.Context, w *world, o options) (answer, error) {
	if err := w.placePending(ctx, o); err != nil {
		return nil, err
	}
	out := fitting{}
	start := w.fork.Savepoint()
	for _, want := range w.wanted {
		f := fit{Pod: want.group.Name()}
		best, err := w.scheduler.CandidatesOn(ctx, w.fork.Snapshot(), want.group.Task("whatif/best"), placement.Ask{Top: 5})
		if err != nil {
			return nil, err
		}
		for c := range best.All() {
			f.Best = append(f.Best, c.Node)
		}
		plan, err := w.placeAll(ctx, tasksOf(want.group, "whatif", o.most))
		if err != nil {
			return nil, err
		}
		counts := map[string]int{}
		for _, op := range plan.Ops {
			counts[op.Node]++
		}
		f.On = mostFirst(counts)
		if f.More = len(plan.Ops); f.More == o.most {
			f.AtLeast = true
		} else {
			f.Next = w.blockedBy(want.group)
		}
		out.Kinds = append(out.Kinds, f)
		if err := w.fork.Rollback(start); err != nil {
			return nil, err
		}
	}
	out.about = w.about()
	return out, nil
}

func (f fitting) text(w *lines) {
	f.head(w)
	for _, k := range f.Kinds {
		more := fmt.Sprint(k.More)
		if k.AtLeast {
			more = "at least " + more
		}
		w.add(0, "%s: %s more", k.Pod, more)
		if len(k.Best) > 0 {
			w.add(1, "best now: %s", strings.Join(k.Best, ", "))
		}
		w.where(k.On)
		if k.Next != nil {
			w.add(1, "the next one is blocked by:")
			k.Next.text(w, 2)
		}
	}
	f.foot(w)
}

// where says how many pods go to which node.
func (l *lines) where(all []on) {
	for i, on := range all {
		if i == shown {
			l.add(1, "and on %d nodes more", len(all)-i)
			return
		}
		l.add(1, "%d on %s", on.Pods, on.Node)
	}
}

// shown is how many lines of a long list are for people; programs get all.
const shown = 20

// tasksOf returns tasks of a group under IDs that no pod of the dump has, for UIDs have no '/'.
func tasksOf(g *berth.Group, prefix string, n int) []berth.Task {
	tasks := make([]berth.Task, n)
	for i := range tasks {
		tasks[i] = g.Task(fmt.Sprintf("%s/%s/%d", prefix, g.Name(), i+1))
	}
	return tasks
}

// placeAll places tasks on the fork as far as there is room.
func (w *world) placeAll(ctx context.Context, tasks []berth.Task) (*cluster.Plan, error) {
	plan, err := w.scheduler.Plan(ctx, w.fork.Snapshot(), tasks...)
	if err != nil {
		return nil, err
	}
	for _, op := range plan.Ops {
		if _, why := w.fork.Apply(op); why != (berth.Reason{}) {
			return nil, fmt.Errorf("%s on %s: %w", op.Task.ID, op.Node, why)
		}
	}
	return plan, nil
}

// placePending places what waits, if that is asked for.
func (w *world) placePending(ctx context.Context, o options) error {
	if !o.pending {
		return nil
	}
	var tasks []berth.Task
	for _, p := range w.pending {
		tasks = append(tasks, w.task(p, string(p.UID)))
	}
	plan, err := w.placeAll(ctx, tasks)
	if err != nil {
		return err
	}
	w.on, w.waiting = w.on+len(plan.Ops), w.waiting-len(plan.Ops)
	return nil
}

// lines is text for people, indented.
type lines struct{ strings.Builder }

func (l *lines) add(indent int, format string, args ...any) {
	l.WriteString(strings.Repeat("  ", indent))
	fmt.Fprintf(&l.Builder, format, args...)
	l.WriteByte('\n')
}
