package scheduler

import (
	"bytes"
	"slices"

	"github.com/stretchr/testify/require"
)

// restore checks snapshot-round-trips and replay-equals-live through bytes: the State is that of its checkpoint, of its log, and
// of a checkpoint from the middle with the log behind it; and equal States give equal bytes.
func (h *history) restore() {
	var codec Codec
	cfg := h.config()
	cfg.Record = nil
	checkpoint := h.bytesOf(h.state)
	again, err := codec.Restore(bytes.NewReader(checkpoint), cfg)
	require.NoError(h.t, err)
	h.equal("snapshot-round-trips", h.state, again)
	if !bytes.Equal(checkpoint, h.bytesOf(again)) {
		h.fail("snapshot-round-trips: another checkpoint")
	}

	// A log of it all, and a State that is checkpointed on the way.
	file := &memFile{}
	log := &Log{}
	replayed, err := NewState(StateConfig{})
	require.NoError(h.t, err)
	require.NoError(h.t, log.Open(file, replayed))
	var middle []byte
	for i, c := range h.record {
		require.NoError(h.t, log.Record(c))
		require.NoError(h.t, replayed.Replay(c))
		if i == len(h.record)/2 {
			middle = h.bytesOf(replayed)
		}
	}
	for name, start := range map[string][]byte{"the log": nil, "a checkpoint and the log": middle} {
		again, err := NewState(cfg)
		require.NoError(h.t, err)
		if start != nil {
			again, err = codec.Restore(bytes.NewReader(start), cfg)
			require.NoError(h.t, err)
		}
		require.NoError(h.t, new(Log).Open(&memFile{data: slices.Clone(file.data)}, again))
		h.equal("replay-equals-live: "+name, h.state, again)
		if !bytes.Equal(checkpoint, h.bytesOf(again)) {
			h.fail("replay-equals-live: %s: another checkpoint", name)
		}
	}
	i := 0
	for c, err := range codec.Commands(bytes.NewReader(file.data)) {
		require.NoError(h.t, err)
		h.same("a command", h.record[i].String(), c.String())
		one, err := codec.AppendCommand(nil, h.record[i])
		require.NoError(h.t, err)
		alone, err := codec.ReadCommand(one)
		require.NoError(h.t, err)
		two, err := codec.AppendCommand(nil, alone)
		require.NoError(h.t, err)
		require.Equal(h.t, one, two)
		i++
	}
	require.Equal(h.t, len(h.record), i)
}

func (h *history) bytesOf(s *State) []byte {
	var b bytes.Buffer
	require.NoError(h.t, Codec{}.Checkpoint(&b, s))
	return b.Bytes()
}

// memFile is a file in memory. Of what is written beyond room only so much stays as there is, and an error.
type memFile struct {
	data []byte
	at   int64
	room int // 0 is without end
}

func (f *memFile) Read(b []byte) (int, error) {
	n, err := bytes.NewReader(f.data[f.at:]).Read(b)
	f.at += int64(n)
	return n, err
}

func (f *memFile) Write(b []byte) (int, error) {
	all := len(b)
	if f.room > 0 {
		b = b[:min(len(b), max(0, f.room-int(f.at)))]
	}
	f.data = append(f.data[:f.at], b...)
	f.at += int64(len(b))
	if len(b) < all {
		return len(b), errFull
	}
	return all, nil
}

func (f *memFile) Seek(offset int64, whence int) (int64, error) {
	f.at = offset // from the start, as a Log has it
	return offset, nil
}

func (f *memFile) Truncate(size int64) error {
	f.data = f.data[:size]
	return nil
}
