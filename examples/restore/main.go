// Restore is a host that is killed again and again, and goes on with what is on disk: no task is lost, and none started twice.
package main

import (
	"context"
	"os"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// host has four tasks run. A file stands for a task that runs: it cannot be made twice.
func host(dir string) {
	state := restore(dir)
	must(0, state.UpsertNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}}))
	s := must(scheduler.New(state, scheduler.Config{}))
	for _, t := range berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}).Tasks(4) {
		if _, placed := state.Task(t.ID); !placed {
			must(s.Schedule(context.Background(), t))
			done("placed", t)
		}
		if _, err := os.Stat(dir + t.ID); err != nil { // what was placed may not run yet
			must(0, must(os.OpenFile(dir+t.ID, os.O_CREATE|os.O_EXCL, 0o600)).Close())
			done("started", t)
		}
		if at, _ := state.Task(t.ID); at.State == berth.Assumed { // what runs may not be confirmed yet
			must(0, state.Confirm(t.ID))
			done("confirmed", t)
		}
	}
}

// restore returns the State of the last checkpoint with the commands since, and writes the next checkpoint.
func restore(dir string) *scheduler.State {
	log := new(scheduler.Log)
	cfg := scheduler.StateConfig{Record: log.Record}
	state := must(scheduler.NewState(cfg))
	if last, err := os.Open(dir + "checkpoint"); err == nil {
		state = must(log.Codec.Restore(last, cfg))
	}
	file := must(os.OpenFile(dir+"log", os.O_RDWR|os.O_CREATE|os.O_SYNC, 0o600))
	must(0, log.Open(file, state)) // which cuts off half a command
	next := must(os.Create(dir + "next"))
	must(0, log.Codec.Checkpoint(next, state))
	must(0, next.Sync())
	must(0, os.Rename(next.Name(), dir+"checkpoint"))
	must(0, file.Truncate(0)) // a command that is in both, should the host be killed here, is done once
	must(0, log.Open(file, state))
	return state
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
