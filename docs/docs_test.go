// Package docs_test is the code that the pages of this folder quote.
package docs_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

func machines() []berth.Node {
	node := func(id, zone string, kernel int) berth.Node {
		return berth.Node{ID: id, Capacity: berth.Resources{"cpu": 4000}, Attributes: berth.Attributes{"zone": zone, "kernel": kernel}}
	}
	return []berth.Node{node("n1", "a", 5), node("n2", "a", 6), node("n3", "b", 6)}
}

func place(source scheduler.Source, tasks ...berth.Task) error {
	s, err := scheduler.New(source, scheduler.Config{})
	if err != nil {
		return err
	}
	outcome, err := s.Schedule(context.Background(), tasks...)
	if err != nil {
		return err
	}
	for _, p := range outcome.Placed {
		fmt.Println(p.Task, "on", p.Node)
	}
	for _, u := range outcome.Unplaced {
		fmt.Println(u)
	}
	return nil
}

// The same function on the whole cluster, and on what a tenant was offered of it.
func Example_modes() {
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 3000}})

	state, err := scheduler.NewState(scheduler.StateConfig{}, machines()...)
	if err != nil {
		log.Fatal(err)
	}
	if err := place(state, web.Task("web-1")); err != nil { // the whole cluster
		log.Fatal(err)
	}

	exchange, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()})
	if err != nil {
		log.Fatal(err)
	}
	shop, err := exchange.Subscribe(offers.Framework{Name: "shop", Role: "shop"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := exchange.Offer(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := place(shop.Book(), web.Task("web-2")); err != nil { // what shop was offered
		log.Fatal(err)
	}
	fmt.Println(len(onNodes(state, "web")), "tasks of web")
	// Output:
	// web-1 on n1
	// web-2 on n2
	// 2 tasks of web
}

// Shares on the whole cluster.
func Example_shares() {
	state, err := scheduler.NewState(scheduler.StateConfig{}, machines()...)
	if err != nil {
		log.Fatal(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 2000}})
	report := berth.NewGroup("report", berth.GroupSpec{Role: "batch", Request: berth.Resources{"cpu": 2000}})

	s, err := scheduler.New(state, scheduler.Config{Order: allocator.Fair{
		Weights: map[berth.Role]allocator.Weight{"shop": 2 * allocator.DefaultWeight},
	}})
	if err != nil {
		log.Fatal(err)
	}
	outcome, err := s.Schedule(context.Background(), append(report.Tasks(6), web.Tasks(6)...)...)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range outcome.Placed {
		fmt.Println(p.Task)
	}
	fmt.Println(outcome.Unplaced[0].Why.Order)
	// Output:
	// report-1
	// web-1
	// web-2
	// report-2
	// web-3
	// web-4
	// held back behind shop
}

// alternate is an order of the host's own: each role has a task in turn.
type alternate struct{}

func (alternate) Begin(_ allocator.Ledger, roles []berth.Role) allocator.Round {
	return &rounds{roles: roles}
}

type rounds struct{ roles []berth.Role }

func (r *rounds) Next(can func(berth.Role) bool) (berth.Role, bool) {
	for range r.roles {
		role := r.roles[0]
		if r.roles = append(r.roles[1:], role); can(role) {
			return role, true
		}
	}
	return "", false
}

func (*rounds) Charged(*berth.Group, int)  {}
func (*rounds) Credited(*berth.Group, int) {}

func Example_order() {
	state, err := scheduler.NewState(scheduler.StateConfig{}, machines()...)
	if err != nil {
		log.Fatal(err)
	}
	large := berth.NewGroup("large", berth.GroupSpec{Role: "a", Request: berth.Resources{"cpu": 3000}})
	small := berth.NewGroup("small", berth.GroupSpec{Role: "b", Request: berth.Resources{"cpu": 1000}})
	s, err := scheduler.New(state, scheduler.Config{Order: alternate{}})
	if err != nil {
		log.Fatal(err)
	}
	outcome, err := s.Schedule(context.Background(), append(small.Tasks(2), large.Tasks(2)...)...)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range outcome.Placed {
		fmt.Println(p.Task)
	}
	// Output:
	// large-1
	// small-1
	// large-2
	// small-2
}

func onNodes(state *scheduler.State, group string) []string {
	snapshot, err := state.Snapshot(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	var ids []string
	for t := range snapshot.Group(group) {
		ids = append(ids, t.ID)
	}
	return ids
}

// atLeast is a rule of the host's own: the node's kernel is new enough.
type atLeast int

func (k atLeast) String() string  { return fmt.Sprintf("kernel-at-least(%d)", int(k)) }
func (k atLeast) Err() error      { return nil }
func (k atLeast) Reads() []string { return []string{"kernel"} }

func (k atLeast) Allows(n *berth.Node) bool {
	v, _ := n.Attribute("kernel")
	version, ok := v.Number()
	return ok && version >= float64(k)
}

func (k atLeast) Why(n *berth.Node) string {
	v, _ := n.Attribute("kernel")
	return fmt.Sprintf("kernel %v", v)
}

func Example_rule() {
	state, err := scheduler.NewState(scheduler.StateConfig{}, machines()...)
	if err != nil {
		log.Fatal(err)
	}
	db := berth.NewGroup("db", berth.GroupSpec{
		Request: berth.Resources{"cpu": 1000},
		Rules:   []berth.Constraint{atLeast(7)},
	})
	if err := place(state, db.Task("db-1")); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0/3 nodes for db-1: 3 refused by kernel-at-least(7); nearest n1: refused by kernel-at-least(7) (kernel 5)
}

func Example_strategy() {
	newest := placement.Class("newest kernel", func(n *berth.Node) int64 {
		v, _ := n.Attribute("kernel")
		version, _ := v.Number()
		return int64(version)
	}).Reads("kernel")
	strategy := placement.Best(newest).Then(placement.InUse())

	state, err := scheduler.NewState(scheduler.StateConfig{}, machines()...)
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(state, scheduler.Config{Strategy: strategy})
	if err != nil {
		log.Fatal(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 2000}})
	outcome, err := s.Schedule(context.Background(), web.Tasks(5)...)
	if err != nil {
		log.Fatal(err)
	}
	last := outcome.Placed[4]
	fmt.Println(last.Task, "on", last.Node, "once the newer ones are full")
	// Output:
	// web-5 on n1 once the newer ones are full
}

func Example_replay() {
	var record []scheduler.Command
	keep := func(c scheduler.Command) error {
		record = append(record, c)
		return nil
	}
	state, err := scheduler.NewState(scheduler.StateConfig{Record: keep})
	if err != nil {
		log.Fatal(err)
	}
	if err := state.AddNodes(machines()...); err != nil {
		log.Fatal(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	if err := place(state, web.Task("web-1")); err != nil {
		log.Fatal(err)
	}

	again, err := scheduler.NewState(scheduler.StateConfig{})
	if err != nil {
		log.Fatal(err)
	}
	if err := again.Replay(record...); err != nil {
		log.Fatal(err)
	}
	fmt.Println(onNodes(again, "web"))
	// Output:
	// web-1 on n1
	// [web-1]
}

// agents is a launcher over some means to start tasks on machines, here none.
type agents struct{ running []scheduler.TaskEvent }

func (a agents) Start(ctx context.Context, p scheduler.Placement) error { return nil }
func (a agents) Stop(ctx context.Context, p scheduler.Placement) error  { return nil }

func (a agents) Watch(ctx context.Context, tell func(...scheduler.TaskEvent) error) error {
	if err := tell(a.running...); err != nil { // first all that runs, or nothing is started
		log.Print(err)
	}
	<-ctx.Done()
	return nil
}

func Example_operating() {
	state, err := scheduler.NewState(scheduler.StateConfig{}, machines()...)
	if err != nil {
		log.Fatal(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	queue := new(scheduler.Queue)
	if err := queue.Submit(web.Tasks(2)...); err != nil {
		log.Fatal(err)
	}
	found := scheduler.TaskEvent{Placement: scheduler.Placement{Task: web.Task("web-1"), Node: "n3"}, Status: scheduler.TaskRunning}
	ctx, cancel := context.WithCancel(context.Background())
	report := func(e scheduler.Event) {
		fmt.Println(e.Kind, e.Placement)
		if e.Kind == scheduler.Started {
			cancel()
		}
	}
	err = scheduler.Run(ctx, scheduler.RunConfig{State: state, Queue: queue, Launcher: agents{[]scheduler.TaskEvent{found}}, Report: report})
	fmt.Println(err)
	// Output:
	// adopted web-1 on n3
	// started web-2 on n3
	// context canceled
}

// A service is replaced, resized where it runs, and given another priority.
func Example_revisions() {
	ctx := context.Background()
	state, err := scheduler.NewState(scheduler.StateConfig{}, machines()...)
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(state, scheduler.Config{})
	if err != nil {
		log.Fatal(err)
	}
	web := func(cpu int64, priority int) *berth.Group {
		return berth.NewGroup("web", berth.GroupSpec{
			Request: berth.Resources{"cpu": cpu}, Priority: priority, Rules: []berth.Constraint{constraints.UniqueNode()},
		})
	}
	if _, err := s.Schedule(ctx, web(3000, 0).Tasks(3)...); err != nil {
		log.Fatal(err)
	}

	v2 := web(5000, 0) // more than any machine has
	out, err := s.Replace(ctx, v2.Task("web-1"))
	if err != nil {
		log.Fatal(err)
	}
	for _, u := range out.Unplaced {
		fmt.Println("the old one stays:", u)
	}

	larger := web(4000, 0)
	plan := &cluster.Plan{Version: state.Version()}
	plan.Replace(larger.Task("web-1"), "n1")
	outcome, err := state.Commit(ctx, plan)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(outcome.Placed, outcome.Refused)

	urgent := web(4000, 9)
	err = state.Readopt(scheduler.Running{Task: urgent.Task("web-1"), Node: "n1"})
	if err != nil {
		log.Fatal(err)
	}
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for t := range snapshot.Group("web") {
		fmt.Println(t.ID, t.Node, t.Group.Priority(), t.Group.Cost())
	}
	// Output:
	// the old one stays: 0/3 nodes for web-1: 3 too little cpu in all, 2 unique(node.id); nearest n1: lacks 1 cpu (it has 4 in all); 1 more cpu on n1 would do
	// [place web-1 on n1] []
	// web-2 n2 0 cpu 3
	// web-3 n3 0 cpu 3
	// web-1 n1 9 cpu 4
}

var block = regexp.MustCompile("(?s)```go\n(.*?)```\n")

// Every block of Go in a page stands in this file, so that it compiles and does what the page says.
func TestPagesQuoteThisFile(t *testing.T) {
	code, err := os.ReadFile("docs_test.go")
	require.NoError(t, err)
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.Len(t, pages, 11)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, b := range block.FindAllStringSubmatch(string(text), -1) {
			assert.Contains(t, flush(string(code)), flush(b[1]), page)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(link[1], "https://") {
				_, err := os.Stat(link[1])
				assert.NoError(t, err, page)
			}
		}
	}
}

// flush returns lines without what they are indented by.
func flush(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimLeft(line, "\t "))
	}
	return b.String()
}
