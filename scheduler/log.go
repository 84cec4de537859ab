package scheduler

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/berth-sched/berth/internal/codec"
	"github.com/berth-sched/berth/internal/faults"
)

// Log keeps the commands of a State in a file, each behind the last one, so that a State can be made of them again. The zero
// Log works with the zero Codec. Its methods may be called by any number of goroutines.
//
//	var log scheduler.Log
//	state, err := scheduler.NewState(scheduler.StateConfig{Record: log.Record})
//	...
//	err = log.Open(file, state) // the State is as it was, and goes on
//	...
//	err = state.UpsertNodes(nodes...) // not by NewState: what would change the State before Open fails, and stops it
//
// A command has been handed to the file's Write, in one call, when the State shows what it did. Whether it is then safe from a crash of the
// machine is the file's to say: one that is opened with [os.O_SYNC] has it on disk. A crash in the middle of a Write loses
// that command and no other, and nobody has seen what it did.
//
// A log grows without end. To keep it short, [Log.Open] an empty file, write a checkpoint with [Codec.Checkpoint] and
// then remove the file before. Whoever begins again opens both, the older one first. Or one is written at every start: see the example.
type Log struct {
	// Codec is how commands are written.
	Codec Codec

	mu    sync.Mutex
	file  LogFile // nil before Open
	end   int64   // of what is whole
	dirty bool    // something may be behind end
	enc   *codec.Encoder
}

// LogFile is what a [Log] needs of its file; an [*os.File] has it.
type LogFile interface {
	io.ReadWriteSeeker
	Truncate(size int64) error
}

// Open has a State do the commands in a file that it has not done yet, by their numbers, and cuts off what a crash left behind the last
// whole one. From then on Record writes there; to the file before, if there is one, nothing is written any more, and
// closing it is the caller's. An empty file becomes an empty log.
//
// It fails, with the State as far as it came and Record where it was, if the file has something else than a log or its commands do not fit
// the State. A fault in the middle of a log is such an error, a [*FormatError] that says where, for then what follows
// is lost: whether to cut the file there is for the caller to decide. It must not be called while the State is
// changed, unless the file is empty.
func (l *Log) Open(file LogFile, s *State) error {
	switch {
	case l == nil:
		return errors.New("scheduler: log: none given")
	case faults.IsNil(file):
		return errors.New("scheduler: log: no file")
	case s == nil:
		return errNoState
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("scheduler: log: %w", err)
	}
	r := codec.NewReader(file)
	err := l.Codec.commands(r, func(c Command) error {
		if c.Number != 0 && c.Number <= s.Commands() {
			return nil
		}
		if err := s.Replay(c); err != nil {
			return fmt.Errorf("command %d: %w", c.Number, err)
		}
		return nil
	})
	if err != nil && err != codec.ErrTorn {
		return readFault("log", err)
	}
	next := Log{file: file, end: r.End(), dirty: true}
	if err := next.clean(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file, l.end, l.dirty = file, next.end, false
	return nil
}

// clean cuts off what is behind the last whole command, and writes the head of an empty log.
func (l *Log) clean() error {
	err := l.file.Truncate(l.end)
	if err == nil {
		_, err = l.file.Seek(l.end, io.SeekStart)
	}
	if err == nil && l.end == 0 {
		head := codec.NewHead(logStream)
		if _, err = l.file.Write(head[:]); err == nil {
			l.end = int64(len(head))
		}
	}
	if err != nil {
		return fmt.Errorf("scheduler: log: %w", err)
	}
	l.dirty = false
	return nil
}

// Record writes a command behind those before it, and is what [StateConfig].Record can be. Where it fails, nothing of the command
// stays in the file, or what stays is cut off by the next call before it writes.
func (l *Log) Record(c Command) error {
	if l == nil {
		return errors.New("scheduler: log: none given")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return errors.New("scheduler: log: not open: Log.Open comes before the first change of the State")
	}
	if l.dirty {
		if err := l.clean(); err != nil {
			return err
		}
	}
	if l.enc == nil {
		l.enc = codec.NewEncoder(l.Codec.Rules.Parse)
	}
	var room [codec.FrameSize]byte
	l.enc.Begin(append(l.enc.Buf[:0], room[:]...))
	writeCommand(l.enc, &c)
	if err := l.enc.Err(); err != nil {
		return unwritable("log", err)
	}
	if err := codec.Frame(l.enc.Buf); err != nil {
		return unwritable("log", err)
	}
	l.dirty = true
	n, err := l.file.Write(l.enc.Buf)
	if err == nil && n < len(l.enc.Buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		_ = l.clean() // or else the next call
		return fmt.Errorf("scheduler: log: %w", err)
	}
	l.end += int64(n)
	l.dirty = false
	if cap(l.enc.Buf) > 1<<20 {
		l.enc.Buf = nil
	}
	return nil
}

// Commands returns how many commands the State has done, those that it was made of included: the [Command].Number of the last.
func (s *State) Commands() uint64 {
	if s == nil {
		return 0
	}
	s.lock()
	defer s.unlock()
	return s.number
}
