package scheduler

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/codec"
	"github.com/berth-sched/berth/internal/store"
)

// written is a State with something of everything, and the log of how it came to be.
func written(t testing.TB) (*State, *memFile) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	file, log := &memFile{}, &Log{}
	s, err := NewState(StateConfig{Record: log.Record, Clock: func() time.Time { return now }, AssumeFor: time.Minute})
	require.NoError(t, err)
	require.NoError(t, log.Open(file, s))
	require.NoError(t, s.AddNodes(
		berth.Node{
			ID: "n1", Capacity: berth.Resources{"cpu": 8000, "memory": 1 << 34}, Attributes: berth.Attributes{"zone": "a", "generation": 7},
			Taints: []berth.Taint{{Key: "old", Value: "yes", Effect: berth.PreferNoSchedule}}, Ports: []berth.PortRange{{First: 80, Last: 90}},
			Devices: []berth.Device{{Class: "gpu", Model: "T4", ID: "a"}, {Class: "gpu", Model: "T4", ID: "b"}},
		},
		berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 4000}, Unschedulable: true},
		berth.Node{ID: "n3", Capacity: berth.Resources{"cpu": 4000}, Attributes: berth.Attributes{"zone": "b"}, Reserved: map[berth.Role]berth.Resources{"shop": {"cpu": 300}, "eng": {"cpu": 200}}},
	))
	web := berth.NewGroup("web", berth.GroupSpec{
		Role: "shop", Priority: 3, Request: berth.Resources{"cpu": 500}, DynamicPorts: 1,
		Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300, Models: []string{"T4"}}},
		Rules:   []berth.Constraint{constraints.In("zone", "a", "b")},
		Prefer:  []berth.Preference{{Weight: 5, Rule: constraints.AtLeast("generation", 7)}},
	})
	p := &cluster.Plan{Version: s.Version()}
	p.Place(web.Task("web-2"), "n1")
	p.Place(web.Task("web-1"), "n1")
	p.Ops[1].Owner = "spark"
	p.Take(berth.Hold{ID: "h2", Owner: "o", Role: "shop", Node: "n1", Resources: berth.Resources{"cpu": 100}, Devices: []berth.DeviceShare{{Class: "gpu", ID: "b", Units: 500}}, Deadline: now.Add(time.Hour)})
	p.Take(berth.Hold{ID: "h1", Owner: "o", Node: "n3", Resources: berth.Resources{"cpu": 100}, Lease: berth.Optimistic, Deadline: now.Add(time.Hour + 1)})
	p.Take(berth.Hold{ID: "h0", Role: "eng/web", Node: "n3", Resources: berth.Resources{"cpu": 100}, Lease: berth.Reserved})
	out, err := s.Commit(context.Background(), p)
	require.NoError(t, err)
	require.Empty(t, out.Refused)
	old := berth.NewGroup("old", berth.GroupSpec{Request: berth.Resources{"disk": 5}})
	require.NoError(t, s.Adopt(
		Running{Task: old.Task("old-1"), Node: "n3", State: berth.Orphan}, Running{Task: old.Task("old-2"), Node: "n2", State: berth.Stopping, Grant: &berth.Grant{Ports: []berth.Port{{Number: 7}}}},
		Running{Task: old.Task("old-3"), Node: "n3"},
	))
	require.NoError(t, s.Confirm("web-2"))
	require.NoError(t, s.Cordon("n1"))
	require.NoError(t, s.RemoveNodes("n2"))
	require.NoError(t, s.UpdateNodes(berth.Node{
		ID: "n1", Capacity: berth.Resources{"cpu": 100}, Attributes: berth.Attributes{"zone": "a"}, Devices: []berth.Device{{Class: "gpu", ID: "b", Unhealthy: true}},
	}))
	require.NoError(t, s.Release("old-3"))
	require.NoError(t, s.SetQuotas(
		berth.Quota{Role: "shop/web", Limits: berth.Resources{"cpu": 0, "gpu": 2000}},
		berth.Quota{Limits: berth.Resources{"disk": 7}, Guarantees: berth.Resources{"cpu": 1000}},
	))
	return s, file
}

func checkpointOf(t testing.TB, s *State) []byte {
	var b bytes.Buffer
	require.NoError(t, Codec{}.Checkpoint(&b, s))
	return b.Bytes()
}

// What version 1 is. Bytes that were written once are read for ever: this test is not changed to fit the code.
func TestGoldenBytes(t *testing.T) {
	s, file := written(t)
	for name, data := range map[string][]byte{"log.v1": file.data, "checkpoint.v1": checkpointOf(t, s)} {
		path := filepath.Join("testdata", name+".hex")
		var text strings.Builder
		for chunk := range slices.Chunk(data, 32) {
			fmt.Fprintln(&text, hex.EncodeToString(chunk))
		}
		if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" { // before version 1 is out
			require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), text.String(), name)
	}
	again, err := Codec{}.Restore(bytes.NewReader(checkpointOf(t, s)), StateConfig{})
	require.NoError(t, err)
	h := &history{t: t, state: s}
	groups := []*berth.Group{berth.NewGroup("web", berth.GroupSpec{}), berth.NewGroup("old", berth.GroupSpec{})}
	h.groups = groups
	h.equal("snapshot-round-trips", s, again)
}

// A crash at any byte of the log leaves the commands before it, and a log that goes on.
func TestCrashAtAnyByte(t *testing.T) {
	_, file := written(t)
	var states []string // after each command
	var ends []int
	s, err := NewState(StateConfig{})
	require.NoError(t, err)
	probe := &memFile{}
	log := &Log{}
	require.NoError(t, log.Open(probe, s))
	states, ends = append(states, string(checkpointOf(t, s))), append(ends, 0)
	for c, err := range (Codec{}).Commands(bytes.NewReader(file.data)) {
		require.NoError(t, err)
		require.NoError(t, s.Replay(c))
		require.NoError(t, log.Record(c))
		states, ends = append(states, string(checkpointOf(t, s))), append(ends, len(probe.data))
	}
	require.Equal(t, file.data, probe.data)
	require.Len(t, states, 10)
	for cut := range len(file.data) + 1 {
		n := 0
		for n+1 < len(ends) && ends[n+1] <= cut {
			n++
		}
		log, torn := &Log{}, &memFile{data: slices.Clone(file.data[:cut])}
		s, err := NewState(StateConfig{Record: log.Record})
		require.NoError(t, err)
		require.NoError(t, log.Open(torn, s))
		require.Equal(t, states[n], string(checkpointOf(t, s)), "cut at %d", cut)
		require.Equal(t, uint64(n), s.Commands())
		if cut%7 != 0 {
			continue
		}
		require.NoError(t, s.AddNodes(berth.Node{ID: "n9"}))
		again, err := NewState(StateConfig{})
		require.NoError(t, err)
		require.NoError(t, new(Log).Open(&memFile{data: slices.Clone(torn.data)}, again))
		require.Equal(t, checkpointOf(t, s), checkpointOf(t, again), "cut at %d", cut)
	}
}

// A disk that is full at any byte loses the command that did not fit, and the State does not have it.
func TestDiskFullAtAnyByte(t *testing.T) {
	for room := 9; room < 200; room++ {
		file, log := &memFile{room: room}, &Log{}
		s, err := NewState(StateConfig{Record: log.Record})
		require.NoError(t, err)
		require.NoError(t, log.Open(file, s))
		for i := 0; err == nil; i++ {
			err = s.AddNodes(berth.Node{ID: fmt.Sprint("n", i)})
		}
		require.ErrorIs(t, err, ErrStopped)
		require.ErrorIs(t, err, errFull)
		file.room = 0
		s.Resume()
		require.NoError(t, s.AddNodes(berth.Node{ID: "last"}))
		again, err := NewState(StateConfig{})
		require.NoError(t, err)
		require.NoError(t, new(Log).Open(&memFile{data: slices.Clone(file.data)}, again))
		require.Equal(t, checkpointOf(t, s), checkpointOf(t, again), "room for %d bytes", room)
	}
}

func TestLogFaults(t *testing.T) {
	_, file := written(t)
	fresh := func() *State {
		s, err := NewState(StateConfig{})
		require.NoError(t, err)
		return s
	}
	var log Log
	assert.EqualError(t, log.Open(nil, fresh()), "scheduler: log: no file")
	assert.EqualError(t, log.Open((*memFile)(nil), fresh()), "scheduler: log: no file")
	assert.EqualError(t, log.Open(&memFile{}, nil), "scheduler: no state")
	assert.EqualError(t, (*Log)(nil).Open(&memFile{}, fresh()), "scheduler: log: none given")
	assert.EqualError(t, (*Log)(nil).Record(Command{}), "scheduler: log: none given")
	assert.EqualError(t, log.Record(Command{}), "scheduler: log: not open: Log.Open comes before the first change of the State")

	rotten := slices.Clone(file.data)
	rotten[len(rotten)/2] ^= 1
	var fault *FormatError
	require.ErrorAs(t, log.Open(&memFile{data: rotten}, fresh()), &fault)
	assert.ErrorContains(t, fault, "checksum")
	assert.ErrorContains(t, log.Open(&memFile{data: checkpointOf(t, fresh())}, fresh()), "scheduler: log: byte 5: a stream of the kind 'C', not 'L'")
	assert.EqualError(t, log.Record(Command{}), "scheduler: log: not open: Log.Open comes before the first change of the State")

	// Commands that do not fit the State.
	s := fresh()
	require.NoError(t, s.AddNodes(berth.Node{ID: "other"}))
	assert.ErrorContains(t, log.Open(&memFile{data: slices.Clone(file.data)}, s), "scheduler: log: command 2: scheduler: replay: command 0: ")
	assert.ErrorContains(t, fresh().Replay(Command{Number: 2}), "scheduler: replay: command 0: its number is 2, and 1 is the next")

	for _, err := range (Codec{}).Commands(nil) {
		assert.EqualError(t, err, "scheduler: log: no reader")
	}
	for _, err := range (Codec{}).Commands(bytes.NewReader(file.data[:20])) {
		assert.ErrorIs(t, err, ErrTorn)
	}
	for range (Codec{}).Commands(bytes.NewReader(file.data)) {
		break
	}
}

// lonely is a host's rule without a name.
type lonely struct{ berth.NodeRule }

func (lonely) String() string { return "lonely" }

// What cannot be written is refused, alone, and nothing of it is in the log.
func TestUnwritable(t *testing.T) {
	file, log := &memFile{}, &Log{}
	_, err := NewState(StateConfig{Record: log.Record}, berth.Node{ID: "n1"})
	require.ErrorContains(t, err, "log: not open")
	s, err := NewState(StateConfig{Record: log.Record})
	require.NoError(t, err)
	require.NoError(t, log.Open(file, s))
	require.NoError(t, s.AddNodes(berth.Node{ID: "n1"}))
	g := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{lonely{constraints.NotExists("x")}}})
	size := len(file.data)
	for range 2 {
		p := &cluster.Plan{Version: s.Version()}
		p.Place(g.Task("web-1"), "n1")
		_, err = s.Commit(context.Background(), p)
		require.ErrorIs(t, err, ErrUnwritable)
		require.ErrorContains(t, err, `group "web": rule lonely of type scheduler.lonely cannot be written`)
		require.NoError(t, s.Err())
		require.Len(t, file.data, size)
		_, there := s.Task("web-1")
		require.False(t, there)
	}
	require.NoError(t, s.Cordon("n1"))

	assert.ErrorIs(t, Codec{}.Check(g), ErrUnwritable)
	assert.ErrorIs(t, Codec{}.Check(nil), ErrUnwritable)
	own := Codec{Rules: constraints.Own{"lonely": func(string) (berth.Constraint, error) { return lonely{constraints.NotExists("x")}, nil }}}
	assert.NoError(t, own.Check(g))
	command := Command{Ops: []berth.Op{{Kind: berth.Place, Task: g.Task("web-1"), Node: "n1"}}}
	b, err := Codec{}.AppendCommand([]byte("kept"), command)
	assert.ErrorIs(t, err, ErrUnwritable)
	assert.Equal(t, "kept", string(b))
	b, err = own.AppendCommand(nil, command)
	require.NoError(t, err)
	again, err := own.ReadCommand(b)
	require.NoError(t, err)
	assert.True(t, g.Equal(again.Ops[0].Task.Group))
	_, err = Codec{}.ReadCommand(b)
	assert.ErrorContains(t, err, "scheduler: command: byte ")

	plain, err := NewState(StateConfig{}, berth.Node{ID: "n1"})
	require.NoError(t, err)
	require.NoError(t, plain.Replay(command))
	assert.ErrorIs(t, Codec{}.Checkpoint(io.Discard, plain), ErrUnwritable)
	var kept bytes.Buffer
	require.NoError(t, own.Checkpoint(&kept, plain))
	restored, err := own.Restore(&kept, StateConfig{})
	require.NoError(t, err)
	now, ok := restored.Task("web-1")
	assert.True(t, ok && now.Group.Equal(g))

	text, err := json.Marshal(command)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"Rules":["lonely"]`)
}

// Every field of a command is written.
func TestCommandsAreWhole(t *testing.T) {
	web := berth.NewGroup("web", berth.GroupSpec{})
	fields := map[string]Command{
		"Number":     {Number: 7},
		"Time":       {Time: time.Unix(1, 2).UTC()},
		"Added":      {Added: []berth.Node{{ID: "n"}}},
		"Updated":    {Updated: []berth.Node{{ID: "n"}}},
		"Removed":    {Removed: []string{"n"}},
		"Cordoned":   {Cordoned: []string{"n"}},
		"Uncordoned": {Uncordoned: []string{"n"}},
		"Adopted":    {Adopted: []Running{{Task: web.Task("t"), Node: "n", Grant: &berth.Grant{Ports: []berth.Port{{Number: 1}}}, State: berth.Orphan, Owner: "spark"}}},
		"Confirmed":  {Confirmed: []string{"t"}},
		"Stopped":    {Stopped: []string{"t"}},
		"Quotas":     {Quotas: []berth.Quota{{Role: "eng", Limits: berth.Resources{"cpu": 0}, Guarantees: berth.Resources{"gpu": 1}}}},
		"Ops":        {Ops: []berth.Op{{Kind: berth.Drop, ID: "h"}}},
		"Deadline":   {Deadline: time.Unix(1, 2).UTC()},
		"Readopted":  {Readopted: []Running{{Task: web.Task("t"), Node: "n", State: berth.Running}}},
		"Renewed":    {Renewed: []string{"t"}},
	}
	command := reflect.TypeFor[Command]()
	seen := map[string]string{}
	for i := range command.NumField() {
		name := command.Field(i).Name
		c, ok := fields[name]
		require.True(t, ok, "a command with %s is to be written, and a sample of it to be here", name)
		b, err := Codec{}.AppendCommand(nil, c)
		require.NoError(t, err)
		require.Empty(t, seen[string(b)], "%s is written like %s", name, seen[string(b)])
		seen[string(b)] = name
		again, err := Codec{}.ReadCommand(b)
		require.NoError(t, err)
		if len(c.Adopted) > 0 {
			require.True(t, web.Equal(again.Adopted[0].Task.Group))
			again.Adopted[0].Task.Group = web
		}
		if len(c.Readopted) > 0 {
			require.True(t, web.Equal(again.Readopted[0].Task.Group))
			again.Readopted[0].Task.Group = web
		}
		require.True(t, c.Time.Equal(again.Time))
		again.Time = c.Time
		require.Equal(t, c, again, name)
	}
	require.Equal(t, 5, reflect.TypeFor[Running]().NumField(), "a field of Running is to be written, and to be in the sample")
}

// What a State is made of is in a checkpoint, or is made anew of what is. Who adds something decides which, and says so here.
func TestCheckpointIsWhole(t *testing.T) {
	for _, c := range []struct {
		of    reflect.Type
		known string
	}{
		{reflect.TypeFor[State](), "admit record clock assumeFor mu live snap changed stopped number ended feeds owners"},
		{reflect.TypeFor[live](), "store fork tasks holds"},
		{reflect.TypeFor[store.View](), "nodes free recs groups nodeN hidden taskN lost marks time pieces byNode byTask byHold byGroup byDim ledger ordering dims naming attrs values catalog counting kinship freeRow freeSlot freeGroup lives lineage branch seq log of like"},
		{reflect.TypeFor[store.NodeState](), "Node members Parts live reserves Cordoned Withheld"},
		{reflect.TypeFor[store.Record](), "ID Extra Deadline Group Row hash life State Owner"},
		{reflect.TypeFor[store.Extra](), "Grant Hold Needs Cost Devices Ports Stray Spare by role owner"},
		{reflect.TypeFor[store.Account](), "Name Parent Quota Used Own Unseen refs owner by reserves"},
		{reflect.TypeFor[store.Group](), "Name Spec Request Keys Asks Count tasks family account members counts owner moves registered"},
	} {
		var fields []string
		for i := range c.of.NumField() {
			fields = append(fields, c.of.Field(i).Name)
		}
		assert.ElementsMatch(t, strings.Fields(c.known), fields, "%v", c.of)
	}
}

func TestRestoreFaults(t *testing.T) {
	s, _ := written(t)
	whole := checkpointOf(t, s)
	restore := func(r io.Reader) error {
		_, err := Codec{}.Restore(r, StateConfig{})
		return err
	}
	require.NoError(t, restore(iotest.OneByteReader(bytes.NewReader(whole))))
	for cut := range len(whole) {
		require.ErrorIs(t, restore(bytes.NewReader(whole[:cut])), ErrTorn, "cut at %d", cut)
		rotten := slices.Clone(whole)
		rotten[cut] ^= 4
		var fault *FormatError
		require.ErrorAs(t, restore(bytes.NewReader(rotten)), &fault, "byte %d", cut)
	}
	assert.ErrorContains(t, restore(bytes.NewReader(append(slices.Clone(whole), whole...))), "something follows the end")
	assert.EqualError(t, restore(nil), "scheduler: restore: no reader")
	_, err := Codec{}.Restore(nil, StateConfig{AssumeFor: -1})
	assert.ErrorContains(t, err, "AssumeFor is negative")
	errDisk := errors.New("read error")
	assert.ErrorIs(t, restore(iotest.ErrReader(errDisk)), errDisk)
	assert.EqualError(t, Codec{}.Checkpoint(nil, s), "scheduler: checkpoint: no writer")
	assert.EqualError(t, Codec{}.Checkpoint(io.Discard, nil), "scheduler: no state")
	for room := 1; room < len(whole); room += 13 {
		require.ErrorIs(t, Codec{}.Checkpoint(&memFile{room: room}, s), errFull)
	}
	var zero State
	empty, err := Codec{}.Restore(bytes.NewReader(checkpointOf(t, &zero)), StateConfig{})
	require.NoError(t, err)
	require.NoError(t, empty.AddNodes(berth.Node{ID: "n1"}))
}

// What is in whole frames, but could not have been in a State.
func TestRestoreNonsense(t *testing.T) {
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1 << 62}})
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon})
	at := time.Unix(1<<31, 0)
	type task struct {
		t        berth.Task
		place    uint64
		state    berth.TaskState
		deadline uint64
		grant    *berth.Grant
		owner    string
	}
	for want, c := range map[string]struct {
		nodes []berth.Node
		tasks []task
		holds []berth.Hold
		count int

		quotas []berth.Quota
	}{
		`node "a" comes after "b"`:                           {nodes: []berth.Node{{ID: "b"}, {ID: "a"}}},
		`node: empty name`:                                   {nodes: []berth.Node{{}}},
		`node "a": resource "cpu": quantity is negative`:     {nodes: []berth.Node{{ID: "a", Capacity: berth.Resources{"cpu": -1}}}},
		`place of a node 2 is more than 1`:                   {tasks: []task{{t: web.Task("w"), place: 2}}},
		`group "agent" comes after "web"`:                    {tasks: []task{{t: web.Task("w"), place: 1}, {t: agent.On("n"), place: 1}}},
		`task "w": a task of that ID exists`:                 {tasks: []task{{t: web.Task("w"), place: 1}, {t: web.Task("w"), place: 1}}},
		`task "w": on a node or on none, it cannot be lost`:  {tasks: []task{{t: web.Task("w"), place: 1, state: berth.Lost}}},
		`on a node or on none, it cannot be running`:         {tasks: []task{{t: web.Task("w"), state: berth.Running}}},
		`on a node or on none, it cannot be state 9`:         {tasks: []task{{t: web.Task("w"), place: 1, state: 9}}},
		`task "w": one that is running has no deadline`:      {tasks: []task{{t: web.Task("w"), place: 1, state: berth.Running, deadline: 1}}},
		`task "w": grant: port 0: there is none of number 0`: {tasks: []task{{t: web.Task("w"), place: 1, grant: &berth.Grant{Ports: []berth.Port{{Number: 0}}}}}},
		`task "w": owner " o": leading or trailing space`:    {tasks: []task{{t: web.Task("w"), place: 1, owner: " o"}}},
		`the quota of role "a" comes after that of "b"`:      {quotas: []berth.Quota{{Role: "b", Limits: berth.Resources{"cpu": 1}}, {Role: "a", Limits: berth.Resources{"cpu": 1}}}},
		`the quota of role "a" is none`:                      {quotas: []berth.Quota{{Role: "a"}}},
		`quota of a//b: role "a//b": empty segment`:          {quotas: []berth.Quota{{Role: "a//b", Limits: berth.Resources{"cpu": 1}}}},
		`the demand of a daemon group is not a task`:         {tasks: []task{{t: agent.Everywhere(), place: 1}}},
		`not the instance on node "n"`:                       {tasks: []task{{t: agent.On("m"), place: 1}}},
		`group: none given`:                                  {tasks: []task{{t: berth.Task{ID: "w"}, place: 1}}},
		`quantity overflows`:                                 {tasks: []task{{t: web.Task("a"), place: 1}, {t: web.Task("b"), place: 1}, {t: web.Task("c"), place: 1}}},
		`hold "h": node "m": unknown node`:                   {holds: []berth.Hold{{ID: "h", Owner: "o", Node: "m", Deadline: at}}},
		`hold "h": no deadline`:                              {holds: []berth.Hold{{ID: "h", Owner: "o", Node: "n"}}},
		`hold "h": a hold of that ID exists`:                 {holds: []berth.Hold{{ID: "h", Owner: "o", Node: "n", Deadline: at}, {ID: "h", Owner: "o", Node: "n", Deadline: at}}},
		`hold "h": resource "cpu": 9223372036854775807 + 1`: {holds: []berth.Hold{
			{ID: "g", Owner: "o", Node: "n", Resources: berth.Resources{"cpu": 1<<63 - 1}, Deadline: at},
			{ID: "h", Owner: "o", Node: "n", Resources: berth.Resources{"cpu": 1}, Deadline: at},
		}},
		`2 nodes are counted, but there are 1`: {count: 1},
	} {
		var out bytes.Buffer
		w := newCheckpointWriter(&out, Codec{})
		w.begin(partNumbers)
		w.enc.Uint(1)
		w.enc.Uint(1)
		w.flush()
		if c.nodes == nil {
			c.nodes = []berth.Node{{ID: "n"}}
		}
		w.begin(partNodes)
		for i := range c.nodes {
			w.enc.Node(&c.nodes[i])
			w.enc.Bool(false)
		}
		w.flush()
		w.begin(partTasks)
		for _, t := range c.tasks {
			w.enc.Task(t.t)
			w.enc.Uint(t.place)
			w.enc.Uint(uint64(t.state))
			w.enc.Uint(t.deadline)
			w.enc.Grant(t.grant)
			w.enc.String(t.owner)
		}
		w.flush()
		w.begin(partHolds)
		for i := range c.holds {
			w.enc.Hold(&c.holds[i])
		}
		w.flush()
		w.begin(partQuotas)
		for i := range c.quotas {
			w.enc.Quota(&c.quotas[i])
		}
		w.flush()
		w.begin(partEnd)
		w.enc.Len(len(c.nodes) + c.count)
		w.enc.Len(len(c.tasks))
		w.enc.Len(len(c.holds))
		w.enc.Len(len(c.quotas))
		w.flush()
		require.NoError(t, w.err)
		s, err := Codec{}.Restore(&out, StateConfig{})
		assert.Nil(t, s)
		var fault *FormatError
		assert.ErrorAs(t, err, &fault, want)
		assert.ErrorContains(t, err, want)
	}
}

// FuzzCommand checks that no bytes make ReadCommand panic, or take more memory than it promises, and that what is read is written
// as it was.
func FuzzCommand(f *testing.F) {
	_, file := written(f)
	for c, err := range (Codec{}).Commands(bytes.NewReader(file.data)) {
		require.NoError(f, err)
		b, err := Codec{}.AppendCommand(nil, c)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Command
		var err error
		bounded(t, 256, len(data), func() { c, err = Codec{}.ReadCommand(data) })
		if err != nil {
			return
		}
		b, err := Codec{}.AppendCommand(nil, c)
		require.NoError(t, err)
		again, err := Codec{}.ReadCommand(b)
		require.NoError(t, err)
		twice, err := Codec{}.AppendCommand(nil, again)
		require.NoError(t, err)
		require.Equal(t, b, twice)
		s, err := NewState(StateConfig{}, berth.Node{ID: "n1"})
		require.NoError(t, err)
		_ = s.Replay(c)
	})
}

// FuzzRestore checks the same of whole checkpoints, whose checksums are made right.
func FuzzRestore(f *testing.F) {
	s, _ := written(f)
	f.Add(checkpointOf(f, s))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = repaired(data)
		var s *State
		var err error
		bounded(t, 2048, len(data), func() { s, err = Codec{}.Restore(bytes.NewReader(data), StateConfig{}) })
		if err != nil {
			return
		}
		b := checkpointOf(t, s)
		again, err := Codec{}.Restore(bytes.NewReader(b), StateConfig{})
		require.NoError(t, err)
		require.Equal(t, b, checkpointOf(t, again))
	})
}

// repaired makes the checksums of a stream right, so that fuzzing gets behind them.
func repaired(data []byte) []byte {
	data = slices.Clone(data)
	for at := 8; at+12 <= len(data); {
		end := min(at+12+int(data[at])+int(data[at+1])<<8, len(data))
		_ = codec.Frame(data[at:end])
		at = end
	}
	return data
}

// bounded checks that a call allocates no more than a multiple of the bytes that it is given, and a megabyte.
func bounded(t testing.TB, times, size int, call func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	if took, most := after.TotalAlloc-before.TotalAlloc, uint64(times*size+1<<20); took > most {
		t.Fatalf("%d bytes of input took %d of memory, more than %d", size, took, most)
	}
}

// The densest input there is for each kind of list takes no more memory than is promised.
func TestMemoryOfDenseInput(t *testing.T) {
	const n = 200_000
	for name, c := range map[string]Command{
		"operations": {Ops: make([]berth.Op, n)},
		"nodes":      {Added: make([]berth.Node, n)},
		"running":    {Adopted: make([]Running, n)},
		"ids":        {Removed: make([]string, n)},
		"attributes": {Added: []berth.Node{{Attributes: attributes(n)}}},
		"devices":    {Added: []berth.Node{{Devices: make([]berth.Device, n)}}},
		"holds":      {Ops: slices.Repeat([]berth.Op{{Hold: new(berth.Hold)}}, n)},
	} {
		b, err := Codec{}.AppendCommand(nil, c)
		require.NoError(t, err)
		bounded(t, 256, len(b), func() { _, err = Codec{}.ReadCommand(b) })
		require.NoError(t, err, name)
	}
}

func attributes(n int) berth.Attributes {
	a := berth.Attributes{}
	r := rand.New(rand.NewPCG(1, 1))
	for len(a) < n {
		a[string([]byte{byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})] = ""
	}
	return a
}
