package scheduler

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/codec"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/store"
)

// A checkpoint is a stream of frames whose messages are: the numbers of the State; parts of nodes, by ID; parts of
// tasks, by the name of their group, those of one the earliest placed first; parts of holds, the earliest made first; parts of quotas,
// by role; and an end, which
// says how many there were of each. A part is some of them, so that neither side needs much memory.
const (
	partNumbers = iota
	partNodes
	partTasks
	partHolds
	partQuotas
	partEnd
)

const partSize = 1 << 16 // bytes, after which another part begins

// Checkpoint writes all that a State is: nodes, tasks in every state, their groups and owners, holds, quotas, deadlines, the version's sequence number and the
// number of the last command. Equal States give equal bytes. It is the State at one moment, during the
// call; the State goes on meanwhile, at the cost of a snapshot. It takes memory for one part of it at a time.
//
// It fails if w does, or where a group cannot be written: with [ErrUnwritable] and what is at fault. What was written is then of no use.
func (c Codec) Checkpoint(w io.Writer, s *State) error {
	switch {
	case s == nil:
		return errNoState
	case faults.IsNil(w):
		return errors.New("scheduler: checkpoint: no writer")
	}
	s.lock()
	v, number := s.live.store.Snapshot(), s.number
	s.unlock()
	out := newCheckpointWriter(w, c)
	out.write(v, number)
	if errors.Is(out.err, ErrUnwritable) {
		return out.err
	}
	if out.err != nil {
		return fmt.Errorf("scheduler: checkpoint: %w", out.err)
	}
	return nil
}

type checkpointWriter struct {
	w   io.Writer
	enc *codec.Encoder
	err error
}

func newCheckpointWriter(w io.Writer, c Codec) *checkpointWriter {
	head := codec.NewHead(checkpointStream)
	_, err := w.Write(head[:])
	return &checkpointWriter{w: w, enc: codec.NewEncoder(c.Rules.Parse), err: err}
}

func (c *checkpointWriter) write(v *store.View, number uint64) {
	e := c.enc
	c.begin(partNumbers)
	e.Uint(number)
	e.Uint(v.Version().Seq)
	c.flush()

	c.begin(partNodes)
	for _, row := range v.Order() {
		c.room(partNodes)
		n := v.Node(row)
		e.Node(n.Node.Spec)
		e.Bool(n.Cordoned)
	}
	c.flush()

	groups := v.ByName(v.AllGroups())
	tasks, rank := 0, v.Rank()
	c.begin(partTasks)
	for _, g := range groups {
		for slot := range v.Members(g) {
			c.room(partTasks)
			r := v.Record(slot)
			e.String(r.ID)
			e.Group(v.SpecOf(g))
			place := uint64(0)
			if r.Row != store.None {
				place = uint64(rank[r.Row]) + 1
			}
			e.Uint(place)
			e.Uint(uint64(r.State))
			e.Uint(uint64(r.Deadline))
			var grant *berth.Grant
			if r.Extra != nil {
				grant = r.Extra.Grant
			}
			e.Grant(grant)
			e.String(v.OwnerName(r.Owner))
			tasks++
		}
	}
	c.flush()

	holds := 0
	c.begin(partHolds)
	for slot := range v.Members(store.Holds) {
		c.room(partHolds)
		e.Hold(v.Record(slot).Extra.Hold)
		holds++
	}
	c.flush()

	quotas := 0
	c.begin(partQuotas)
	for _, at := range v.Roles() {
		if q := v.Account(at).Quota; q != nil {
			c.room(partQuotas)
			e.Quota(q.Spec)
			quotas++
		}
	}
	c.flush()

	c.begin(partEnd)
	e.Len(v.Nodes())
	e.Len(tasks)
	e.Len(holds)
	e.Len(quotas)
	c.flush()
}

// begin begins a part.
func (c *checkpointWriter) begin(part uint64) {
	var frame [codec.FrameSize]byte
	c.enc.Begin(append(c.enc.Buf[:0], frame[:]...))
	c.enc.Uint(part)
}

// room begins another part where the one at work is full.
func (c *checkpointWriter) room(part uint64) {
	if len(c.enc.Buf) >= partSize {
		c.flush()
		c.begin(part)
	}
}

// flush writes the part, unless something failed before.
func (c *checkpointWriter) flush() {
	if err := c.enc.Err(); err != nil && c.err == nil {
		c.err = unwritable("checkpoint", err)
	}
	if c.err == nil {
		c.err = codec.Frame(c.enc.Buf)
	}
	if c.err == nil {
		_, c.err = c.w.Write(c.enc.Buf)
	}
}

// Restore returns a State as it was when [Codec.Checkpoint] wrote it: with equal nodes, tasks, holds, quotas, deadlines, version but for
// the lineage, and number of the last command. It calls none of the configuration's functions. The time is that of
// adding everything to a new State, and the memory little more than the State's.
//
// It fails if the configuration is at fault, if r does, or if what it reads is no whole checkpoint: with [ErrTorn] or a [*FormatError].
func (c Codec) Restore(r io.Reader, cfg StateConfig) (*State, error) {
	s, err := NewState(cfg)
	if faults.IsNil(r) {
		err = errors.Join(err, errors.New("scheduler: restore: no reader"))
	}
	if err != nil {
		return nil, err
	}
	in := checkpointReader{in: codec.NewReader(r), dec: codec.NewDecoder(c.Rules.Parse), s: s, fork: (*checked.Fork)(s.live.fork)}
	if err := in.read(); err != nil {
		return nil, readFault("restore", err)
	}
	return s, nil
}

type checkpointReader struct {
	in   *codec.Reader
	dec  *codec.Decoder
	s    *State
	fork *checked.Fork

	next  uint64     // the first part that can come
	seq   uint64     // of the version
	rows  []uint32   // of the nodes, in their order
	node  string     // the last node
	group string     // that of the last task
	role  berth.Role // that of the last quota
	tasks int
	holds int

	quotas int
}

func (c *checkpointReader) read() error {
	err := c.in.Head(codec.NewHead(checkpointStream))
	for err == nil && c.next <= partEnd {
		err = c.part()
	}
	if err == io.EOF {
		return codec.ErrTorn
	}
	if err != nil {
		return err
	}
	if _, _, err := c.in.Next(); err != io.EOF {
		return &codec.Fault{Offset: c.in.End(), Err: errors.New("something follows the end")}
	}
	for _, row := range c.rows {
		for _, r := range c.s.live.store.On(row) {
			c.s.live.count(r, true)
		}
	}
	c.s.live.store.Resume(c.seq)
	return nil
}

// part reads a part.
func (c *checkpointReader) part() error {
	message, offset, err := c.in.Next()
	if err != nil {
		return err
	}
	d := c.dec
	d.Begin(message, offset)
	part := d.UintTo(partEnd, "part")
	if part < c.next || part > c.next && c.next == partNumbers {
		d.Fail(0, "part %d does not come here", part)
	}
	c.next = part
	switch {
	case d.Err() != nil:
	case part == partNumbers:
		c.next++
		c.s.number, c.seq = d.Uint(), d.Uint()
	case part == partEnd:
		c.next++
		count := func(what string, want int) {
			at := d.Pos()
			if got := d.Uint(); got != uint64(want) {
				d.Fail(at, "%d %s are counted, but there are %d", got, what, want)
			}
		}
		count("nodes", len(c.rows))
		count("tasks", c.tasks)
		count("holds", c.holds)
		count("quotas", c.quotas)
	default:
		restore := []func() error{partNodes: c.restoreNode, partTasks: c.restoreTask, partHolds: c.restoreHold, partQuotas: c.restoreQuota}[part]
		for d.More() {
			at := d.Pos()
			if err := restore(); err != nil {
				d.Fail(at, "%w", err)
			}
		}
	}
	if err := d.End(); err != nil {
		return err
	}
	c.s.live.store.Keep() // nothing is to be taken back
	return nil
}

func (c *checkpointReader) restoreNode() error {
	n, cordoned := c.dec.Node(), c.dec.Bool()
	if err := c.dec.Err(); err != nil {
		return err
	}
	if len(c.rows) > 0 && n.ID <= c.node {
		return fmt.Errorf("node %q comes after %q", n.ID, c.node)
	}
	c.node = n.ID
	row, err := c.fork.RestoreNode(&n, cordoned)
	c.rows = append(c.rows, row)
	return err
}

func (c *checkpointReader) restoreTask() error {
	d := c.dec
	t := d.Task()
	place := d.UintTo(uint64(len(c.rows)), "place of a node")
	state := berth.TaskState(d.UintTo(math.MaxUint8, "state"))
	deadline := d.UintTo(math.MaxInt64, "deadline")
	grant := d.Grant()
	owner := d.String()
	if err := d.Err(); err != nil {
		return err
	}
	if c.tasks > 0 && t.Group.Name() < c.group {
		return fmt.Errorf("group %q comes after %q", t.Group.Name(), c.group)
	}
	c.group = t.Group.Name()
	c.tasks++
	row := uint32(store.None)
	if place > 0 {
		row = c.rows[place-1]
	}
	return c.fork.RestoreTask(owner, t, row, state, grant, int64(deadline))
}

func (c *checkpointReader) restoreHold() error {
	h := c.dec.Hold()
	if err := c.dec.Err(); err != nil {
		return err
	}
	c.holds++
	return c.fork.RestoreHold(h)
}

func (c *checkpointReader) restoreQuota() error {
	q := c.dec.Quota()
	if err := c.dec.Err(); err != nil {
		return err
	}
	if c.quotas > 0 && q.Role <= c.role {
		return fmt.Errorf("the quota of role %q comes after that of %q", q.Role, c.role)
	}
	if len(q.Limits)+len(q.Guarantees) == 0 {
		return fmt.Errorf("the quota of role %q is none", q.Role)
	}
	c.role = q.Role
	c.quotas++
	return c.fork.SetQuotas(q)
}
