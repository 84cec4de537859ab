package scheduler

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/codec"
)

// Codec writes commands and checkpoints down, and reads them: in version 1 of a format in which equal commands, and equal
// States, give equal bytes. The zero Codec knows the rules of package constraints. It may be used by any number of
// goroutines.
//
// What is read is checked: bytes that were not written so are an error, a [*FormatError], and never a panic, and reading
// takes no more memory than 256 times the bytes that were read and a megabyte; into a State, 2,048 times.
type Codec struct {
	// Rules are the host's own rules by name. A group with a rule that is in neither package constraints nor here, or that
	// reads back as another, cannot be written: see [ErrUnwritable].
	Rules constraints.Own
}

// FormatError says where bytes that are read are not what a [Codec] wrote, and why.
type FormatError struct {
	Offset int64 // in bytes from the beginning of what is read
	Err    error
}

// Error prints "byte 17: " and the fault.
func (e *FormatError) Error() string { return fmt.Sprintf("byte %d: %v", e.Offset, e.Err) }

// Unwrap returns the fault.
func (e *FormatError) Unwrap() error { return e.Err }

// ErrTorn is wrapped where what is read was cut off: a log within a command, as a crash leaves it, or a checkpoint
// before its end.
var ErrTorn = errors.New("it is cut off")

// readFault returns what a reader of package codec returned, in the words of this package.
func readFault(what string, err error) error {
	var fault *codec.Fault
	switch {
	case errors.Is(err, codec.ErrTorn):
		err = ErrTorn
	case errors.As(err, &fault):
		err = &FormatError{fault.Offset, fault.Err}
	}
	return fmt.Errorf("scheduler: %s: %w", what, err)
}

// Check returns why a group cannot be written, or nil: an error that wraps [ErrUnwritable]. A host that has rules of its own can
// ask before it hands the group to a State, which refuses the whole commit.
func (c Codec) Check(g *berth.Group) error {
	if err := g.Err(); err != nil {
		return unwritable("group", err)
	}
	e := codec.NewEncoder(c.Rules.Parse)
	e.Group(g)
	return unwritable("group", e.Err())
}

func unwritable(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("scheduler: %s: %w: %w", what, ErrUnwritable, err)
}

// AppendCommand appends a command to b. It fails, and returns b as it was, where the command cannot be written:
// with [ErrUnwritable] and every fault.
func (c Codec) AppendCommand(b []byte, command Command) ([]byte, error) {
	e := codec.NewEncoder(c.Rules.Parse)
	e.Begin(b)
	writeCommand(e, &command)
	if err := e.Err(); err != nil {
		return b, unwritable("command", err)
	}
	return e.Buf, nil
}

// ReadCommand reads a command that AppendCommand wrote to nothing, and copies what it keeps.
func (c Codec) ReadCommand(b []byte) (Command, error) {
	d := codec.NewDecoder(c.Rules.Parse)
	d.Begin(b, 0)
	command := readCommand(d)
	if err := d.End(); err != nil {
		return Command{}, readFault("command", err)
	}
	return command, nil
}

// The parts that a command has: most have one or two.
const (
	hasDeadline = 1 << iota
	hasAdded
	hasUpdated
	hasRemoved
	hasCordoned
	hasUncordoned
	hasAdopted
	hasConfirmed
	hasStopped
	hasQuotas
	hasOps
	hasReadopted
	hasRenewed
	hasAll = 1<<iota - 1
)

// writeCommand writes the version first: a command may be kept without a log around it.
func writeCommand(e *codec.Encoder, c *Command) {
	e.Uint(codec.Version)
	e.Uint(c.Number)
	e.Time(c.Time)
	var has uint64
	part := func(bit uint64, there bool) {
		if there {
			has |= bit
		}
	}
	part(hasDeadline, !c.Deadline.IsZero())
	part(hasAdded, len(c.Added) > 0)
	part(hasUpdated, len(c.Updated) > 0)
	part(hasRemoved, len(c.Removed) > 0)
	part(hasCordoned, len(c.Cordoned) > 0)
	part(hasUncordoned, len(c.Uncordoned) > 0)
	part(hasAdopted, len(c.Adopted) > 0)
	part(hasConfirmed, len(c.Confirmed) > 0)
	part(hasStopped, len(c.Stopped) > 0)
	part(hasQuotas, len(c.Quotas) > 0)
	part(hasOps, len(c.Ops) > 0)
	part(hasReadopted, len(c.Readopted) > 0)
	part(hasRenewed, len(c.Renewed) > 0)
	e.Uint(has)
	if has&hasDeadline != 0 {
		e.Time(c.Deadline)
	}
	for _, nodes := range [][]berth.Node{c.Added, c.Updated} {
		if len(nodes) > 0 {
			e.Len(len(nodes))
		}
		for i := range nodes {
			e.Node(&nodes[i])
		}
	}
	ids := func(list []string) {
		if len(list) > 0 {
			e.Strings(list)
		}
	}
	ids(c.Removed)
	ids(c.Cordoned)
	ids(c.Uncordoned)
	if len(c.Adopted) > 0 {
		e.Len(len(c.Adopted))
	}
	for i := range c.Adopted {
		writeRunning(e, &c.Adopted[i])
	}
	ids(c.Confirmed)
	ids(c.Stopped)
	if len(c.Quotas) > 0 {
		e.Len(len(c.Quotas))
	}
	for i := range c.Quotas {
		e.Quota(&c.Quotas[i])
	}
	if len(c.Ops) > 0 {
		e.Len(len(c.Ops))
	}
	for i := range c.Ops {
		e.Op(&c.Ops[i])
	}
	if len(c.Readopted) > 0 {
		e.Len(len(c.Readopted))
	}
	for i := range c.Readopted {
		writeRunning(e, &c.Readopted[i])
	}
	ids(c.Renewed)
}

func readCommand(d *codec.Decoder) Command {
	at := d.Pos()
	if v := d.Uint(); v != codec.Version {
		d.Fail(at, "version %d is unknown, not %d", v, codec.Version)
	}
	c := Command{Number: d.Uint(), Time: d.Time()}
	has := d.UintTo(hasAll, "the parts of a command")
	empty := func(at, n int) {
		if n == 0 {
			d.Fail(at, "a part is there and empty")
		}
	}
	if has&hasDeadline != 0 {
		at := d.Pos()
		if c.Deadline = d.Time(); c.Deadline.IsZero() {
			empty(at, 0)
		}
	}
	nodes := func(bit uint64, to *[]berth.Node) {
		if has&bit != 0 {
			at := d.Pos()
			*to = codec.List(d, 7, (*codec.Decoder).Node)
			empty(at, len(*to))
		}
	}
	ids := func(bit uint64, to *[]string) {
		if has&bit != 0 {
			at := d.Pos()
			*to = d.Strings()
			empty(at, len(*to))
		}
	}
	nodes(hasAdded, &c.Added)
	nodes(hasUpdated, &c.Updated)
	ids(hasRemoved, &c.Removed)
	ids(hasCordoned, &c.Cordoned)
	ids(hasUncordoned, &c.Uncordoned)
	if has&hasAdopted != 0 {
		at := d.Pos()
		c.Adopted = codec.List(d, 6, readRunning)
		empty(at, len(c.Adopted))
	}
	ids(hasConfirmed, &c.Confirmed)
	ids(hasStopped, &c.Stopped)
	if has&hasQuotas != 0 {
		at := d.Pos()
		c.Quotas = codec.List(d, 3, (*codec.Decoder).Quota)
		empty(at, len(c.Quotas))
	}
	if has&hasOps != 0 {
		at := d.Pos()
		c.Ops = codec.List(d, 2, (*codec.Decoder).Op)
		empty(at, len(c.Ops))
	}
	if has&hasReadopted != 0 {
		at := d.Pos()
		c.Readopted = codec.List(d, 5, readRunning)
		empty(at, len(c.Readopted))
	}
	ids(hasRenewed, &c.Renewed)
	return c
}

func writeRunning(e *codec.Encoder, r *Running) {
	e.Task(r.Task)
	e.String(r.Node)
	e.Grant(r.Grant)
	e.Uint(uint64(r.State))
	e.String(r.Owner)
}

func readRunning(d *codec.Decoder) Running {
	return Running{
		Task: d.Task(), Node: d.String(), Grant: d.Grant(), State: berth.TaskState(d.UintTo(255, "state")), Owner: d.String(),
	}
}

const (
	logStream        = 'L'
	checkpointStream = 'C'
)

// Commands yields the commands of a log in their order. What ends the log otherwise than after a whole command is
// yielded as an error, and nothing after it: [ErrTorn] for a log that was cut off.
func (c Codec) Commands(log io.Reader) iter.Seq2[Command, error] {
	return func(yield func(Command, error) bool) {
		if log == nil {
			yield(Command{}, errors.New("scheduler: log: no reader"))
			return
		}
		err := c.commands(codec.NewReader(log), func(command Command) error {
			if !yield(command, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(Command{}, readFault("log", err))
		}
	}
}

var errEnough = errors.New("nobody wants more")

// commands calls do with each command, until it fails. An empty log is one without commands.
func (c Codec) commands(r *codec.Reader, do func(Command) error) error {
	switch err := r.Head(codec.NewHead(logStream)); err {
	case nil:
	case io.EOF:
		return nil
	default:
		return err
	}
	d := codec.NewDecoder(c.Rules.Parse)
	for {
		message, offset, err := r.Next()
		switch err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
		d.Begin(message, offset)
		command := readCommand(d)
		if err := d.End(); err != nil {
			return err
		}
		if err := do(command); err != nil {
			return err
		}
	}
}
