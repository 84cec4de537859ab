package scheduler

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// brittle is a rule that panics where the history wants it to.
type brittle struct {
	berth.NodeRule
	h *history
}

func (b brittle) Allows(n *berth.Node) bool { b.h.burn(); return b.NodeRule.Allows(n) }

// burn is called by all that stands for the host's code.
func (h *history) burn() {
	if h.fuse > 0 {
		if h.fuse--; h.fuse == 0 {
			panic("boom")
		}
	}
}

var errFull = errors.New("the disk is full")

// keep is Record.
func (h *history) keep(c Command) error {
	if h.full && h.fuse == 1 {
		h.fuse = 0
		return errFull
	}
	h.burn()
	h.record = append(h.record, c)
	return nil
}

// host makes a call of the State during which the host's code may panic, or Record fail, and reports whether it did. The call must then
// have changed nothing; if it did not, all that it did must be true, which is for the caller to see.
func (h *history) host(call func()) (torn bool) {
	before, version, recorded, changed := h.picture(), h.state.Version(), len(h.record), h.state.Changed()
	h.fuse, h.lit = h.lit, 0
	defer func() {
		h.fuse = 0
		if err := h.state.Err(); err != nil {
			h.log("  Record failed")
			torn = true
			if !errors.Is(err, ErrStopped) || !errors.Is(err, errFull) {
				h.fail("stopped by %v", err)
			}
			if err := h.state.UpdateNodes(h.node(0, 1)); !errors.Is(err, ErrStopped) {
				h.fail("a State that is stopped was changed: %v", err)
			}
			select {
			case <-changed:
			default:
				h.fail("nobody who waits was told that the State is stopped")
			}
			changed = nil
			h.state.Resume()
		} else if torn = recover() != nil; !torn {
			return
		} else {
			h.log("  the host's code panicked")
		}
		h.same("host-code-tears-nothing", before, h.picture())
		if h.state.Version() != version || len(h.record) != recorded {
			h.fail("host-code-tears-nothing: version %v and %d commands, now %v and %d", version, recorded, h.state.Version(), len(h.record))
		}
		select {
		case <-changed:
			h.fail("host-code-tears-nothing: woken by nothing")
		default:
		}
	}()
	call()
	return false
}

// kept is a snapshot and how it looked when it was taken.
type kept struct {
	snapshot *cluster.Snapshot
	picture  string
}

// A command that does not fit is refused whole, with the commands before it.
func TestReplayFault(t *testing.T) {
	s, err := NewState(StateConfig{}, berth.Node{ID: "n1"})
	require.NoError(t, err)
	h := &history{t: t, state: s}
	before := h.picture()
	for _, last := range []Command{
		{Ops: []berth.Op{{Kind: berth.Release, ID: "nobody"}}},
		{Added: []berth.Node{{ID: "n2"}}, Removed: []string{"n3"}},
		{Confirmed: []string{"nobody"}},
		{Ops: []berth.Op{{Kind: 99}}},
	} {
		err := s.Replay(Command{Cordoned: []string{"n1"}}, last)
		require.ErrorContains(t, err, "scheduler: replay: command 1: ")
		h.same("a failed replay changed the state", before, h.picture())
	}
	if err := s.Replay(Command{Removed: []string{"n9"}}); !errors.Is(err, berth.ErrUnknownNode) {
		t.Error(err)
	}
}
