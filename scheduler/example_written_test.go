package scheduler_test

import (
	"context"
	"fmt"
	"os"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

func failOn(err error) {
	if err != nil {
		panic(err)
	}
}

// start returns the State as it was when the host last ended, however it did, and the file that its commands go to.
func start(dir string) (*scheduler.State, *os.File) {
	commands := new(scheduler.Log)
	cfg := scheduler.StateConfig{Record: commands.Record}
	state, err := scheduler.NewState(cfg)
	if last, e := os.Open(dir + "/checkpoint"); e == nil {
		state, err = commands.Codec.Restore(last, cfg)
		failOn(last.Close())
	}
	failOn(err)
	file, err := os.OpenFile(dir+"/commands", os.O_RDWR|os.O_CREATE|os.O_SYNC, 0o600)
	failOn(err)
	failOn(commands.Open(file, state)) // does what was done since the checkpoint

	next, err := os.Create(dir + "/checkpoint.next")
	failOn(err)
	failOn(commands.Codec.Checkpoint(next, state))
	failOn(next.Sync())
	failOn(next.Close())
	failOn(os.Rename(dir+"/checkpoint.next", dir+"/checkpoint"))
	failOn(file.Truncate(0)) // commands that are in both, should the host end here, are done once
	failOn(commands.Open(file, state))
	return state, file
}

// A host that is killed at any moment begins again with all that it placed, and places nothing twice.
func ExampleLog() {
	dir, err := os.MkdirTemp("", "berth")
	failOn(err)
	defer os.RemoveAll(dir)
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1500}})
	for life := range 3 {
		state, file := start(dir)
		if life == 0 {
			failOn(state.AddNodes(twoZones()...))
		}
		s, err := scheduler.New(state, scheduler.Config{})
		failOn(err)
		for _, task := range web.Tasks(life + 1) { // one more in each life
			if at, there := state.Task(task.ID); there {
				fmt.Println(task, "is on", at.Node)
				continue
			}
			outcome, err := s.Schedule(context.Background(), task)
			failOn(err)
			fmt.Println(outcome.Placed)
		}
		_, err = file.WriteString("a piece") // killed in the middle of writing the next
		failOn(err)
		failOn(file.Close())
	}
	// Output:
	// [place web-1 on n2]
	// web-1 is on n2
	// [place web-2 on n1]
	// web-1 is on n2
	// web-2 is on n1
	// [place web-3 on n1]
}

// A commit is recorded as one command, which raft, say, hands to every replica.
func ExampleCodec_AppendCommand() {
	var codec scheduler.Codec
	replica, err := scheduler.NewState(scheduler.StateConfig{})
	failOn(err)
	leader, err := scheduler.NewState(scheduler.StateConfig{Record: func(c scheduler.Command) error {
		entry, err := codec.AppendCommand(nil, c) // to be agreed on
		if err != nil {
			return err
		}
		same, err := codec.ReadCommand(entry)
		if err != nil {
			return err
		}
		return replica.Replay(same)
	}}, twoZones()...)
	failOn(err)
	failOn(leader.Cordon("n1"))
	snapshot, err := replica.Snapshot(context.Background())
	failOn(err)
	for n := range snapshot.Nodes() {
		fmt.Println(n.ID(), n.Cordoned())
	}
	fmt.Println(leader.Commands(), "commands")
	// Output:
	// n1 true
	// n2 false
	// 2 commands
}

// Looking into a log takes no State.
func ExampleCodec_Commands() {
	dir, err := os.MkdirTemp("", "berth")
	failOn(err)
	defer os.RemoveAll(dir)
	state, _ := start(dir)
	failOn(state.AddNodes(twoZones()...))
	failOn(state.Cordon("n1"))
	file, err := os.Open(dir + "/commands")
	failOn(err)
	defer file.Close()
	for c, err := range (scheduler.Codec{}).Commands(file) {
		failOn(err)
		fmt.Print(c.Number, "\n", c)
	}
	// Output:
	// 1
	// add node n1: cpu 4
	// add node n2: cpu 2
	// 2
	// cordon node n1
}
