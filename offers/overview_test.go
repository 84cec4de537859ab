package offers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
)

// What everybody has, in one answer: for a dashboard.
func ExampleExchange_Overview() {
	ctx := context.Background()
	state, exchange, _ := twoNodes()
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	must(state.SetQuotas(berth.Quota{Role: "web", Guarantees: berth.Resources{"cpu": 6000}}))
	web, err := exchange.Subscribe(offers.Framework{Name: "web", Role: "web"})
	must(err)
	batch, err := exchange.Subscribe(offers.Framework{Name: "batch", Role: "batch"})
	must(err)
	pass(exchange)
	var plan cluster.Plan
	plan.Place(berth.NewTask("web-1", berth.GroupSpec{Role: "web", Request: berth.Resources{"cpu": 3000}}), "n2")
	all, err := web.Offers(ctx)
	must(err)
	_, err = web.Accept(ctx, []string{all[0].ID}, &plan, offers.Filter{For: 5 * time.Second})
	must(err)
	must(batch.Suppress())

	now, err := exchange.Overview(ctx)
	must(err)
	fmt.Print(now)
	filters, err := web.Filters(ctx)
	must(err)
	fmt.Println(filters)
	// Output:
	// role "": 87.5 % of cpu, used cpu 7, offered cpu 4; 2 frameworks
	// role "batch": 50 % of cpu, used cpu 4, offered cpu 4; 1 framework
	// role "web": 37.5 % of cpu, used cpu 3, guaranteed cpu 6, owed cpu 3; 1 framework
	// framework "batch" of role "batch": 1 offer of cpu 4, used cpu 4; suppressed
	// framework "web" of role "web": 0 offers, used cpu 3; 1 filter
	// [n2: no more than cpu 1 until 01:00:05]
}

// growOverview reads what n frameworks have, each with an offer and a filter.
func growOverview(b *testing.B, n int) {
	w := growing(b, 2*n)
	for i := range n {
		w.subscribe(offers.Framework{Name: fmt.Sprintf("f%05d", i), Role: berth.Role(fmt.Sprintf("r%05d", i)), Terms: offers.Terms{MaxOutstanding: 1}})
	}
	w.offer()
	for _, f := range w.subs {
		declineAll(b, f, offers.Filter{For: time.Hour})
	}
	w.offer()
	for b.Loop() {
		o, err := w.x.Overview(ctx)
		if err != nil || len(o.Frameworks) != n {
			b.Fatal(err)
		}
		for _, f := range w.subs {
			if all, err := f.Filters(ctx); err != nil || len(all) != 1 {
				b.Fatal(all, err)
			}
		}
	}
}

// The overview is data: it goes through JSON, and may be read by any goroutine while passes are made and answered.
func TestOverviewAtAnyTime(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 8, 0), node("n2", 8, 0))
	w.now = time.Unix(1000, 0)
	f := w.subscribe(offers.Framework{Name: "f", Role: "a/b", Demand: []offers.Demand{{Group: cpus("f", "a/b", 1)}}})
	w.subscribe(offers.Framework{Name: "g", Role: "a", Demand: []offers.Demand{}})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				o, err := w.x.Overview(ctx)
				assert.NoError(t, err)
				assert.Len(t, o.Frameworks, 2)
				_, err = f.Filters(ctx)
				assert.NoError(t, err)
				_, err = w.x.Why(ctx, "a")
				assert.NoError(t, err)
			}
		})
	}
	for range 50 {
		w.offer()
		declineAll(t, f, offers.Filter{})
	}
	all.Wait()
	w.offer()
	o, err := w.x.Overview(ctx)
	require.NoError(t, err)
	assert.Equal(t, []offers.FrameworkOverview{
		{Framework: "f", Role: "a/b", Offers: 2, Offered: res{"cpu": 16}, Used: res{"cpu": 16}, Cause: offers.Waiting},
		{Framework: "g", Role: "a", Used: res{}, Cause: offers.Content},
	}, o.Frameworks)
	text, err := json.Marshal(o)
	require.NoError(t, err)
	var back offers.Overview
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, o.String(), back.String())
	require.NoError(t, f.Revive())
}
