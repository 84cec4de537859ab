package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
)

// A stream is a head and then frames, one for each message. A frame has the length of its message, the checksum of the message and
// the checksum of both of these, 4 bytes each and little-endian, and then the message. The checksums are CRC-32C. That of the
// length is what tells a stream that was cut off from one with a faulty length.

// Head is the bytes that a stream begins with, so that it can be told from others: the kind of the stream and the
// version of what is in it.
type Head [8]byte

// Version is that of what is written.
const Version = 1

// NewHead returns the head of the streams of a kind.
func NewHead(kind byte) Head { return Head{'b', 'e', 'r', 't', 'h', kind, Version, '\n'} }

// FrameSize is how many bytes a frame has besides its message.
const FrameSize = 12

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Frame makes a frame of buf, of which the first FrameSize bytes are room for what comes before the message.
func Frame(buf []byte) error {
	message := buf[FrameSize:]
	if uint64(len(message)) > math.MaxUint32 {
		return fmt.Errorf("a message of %d bytes is more than a frame can have", len(message))
	}
	binary.LittleEndian.PutUint32(buf, uint32(len(message)))
	binary.LittleEndian.PutUint32(buf[4:], crc32.Checksum(message, castagnoli))
	binary.LittleEndian.PutUint32(buf[8:], crc32.Checksum(buf[:8], castagnoli))
	return nil
}

// ErrTorn is returned where a stream ends within a frame or in its head, or has nothing but zeros from there on: as it is if whoever
// wrote it was stopped.
var ErrTorn = errors.New("the stream is cut off")

// Reader reads the frames of a stream.
type Reader struct {
	r   io.Reader
	end int64 // of the last whole frame
	buf []byte
}

// NewReader returns a reader of a stream from its beginning.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// End returns where the last whole frame that was read ends, or the head.
func (r *Reader) End() int64 { return r.end }

// Head reads the head, and fails if it is another. An empty stream is [io.EOF].
func (r *Reader) Head(want Head) error {
	var got Head
	n, err := io.ReadFull(r.r, got[:])
	switch {
	case n > 0 && allZero(got[:n]):
		return r.zeros(err, &Fault{0, errors.New("not a stream of berth's")})
	case n < len(got) && string(got[:n]) != string(want[:n]) && (err == io.EOF || err == io.ErrUnexpectedEOF):
		return &Fault{0, errors.New("not a stream of berth's")}
	case err == io.ErrUnexpectedEOF:
		return ErrTorn
	case err != nil:
		return err
	case string(got[:5]) != string(want[:5]) || got[7] != want[7]:
		return &Fault{0, errors.New("not a stream of berth's")}
	case got[5] != want[5]:
		return &Fault{5, fmt.Errorf("a stream of the kind %q, not %q", got[5], want[5])}
	case got[6] != want[6]:
		return &Fault{6, fmt.Errorf("version %d is unknown, not %d", got[6], want[6])}
	}
	r.end = int64(len(got))
	return nil
}

// Next reads a frame and returns its message, which is good until the next call, and where it lies. It returns [io.EOF] at the
// end, and [ErrTorn] where the stream is cut off.
func (r *Reader) Next() (message []byte, offset int64, err error) {
	var head [FrameSize]byte
	n, err := io.ReadFull(r.r, head[:])
	switch {
	case n > 0 && n < len(head) && err == io.ErrUnexpectedEOF:
		return nil, 0, ErrTorn
	case err != nil:
		return nil, 0, err
	case binary.LittleEndian.Uint32(head[8:]) != crc32.Checksum(head[:8], castagnoli):
		fault := &Fault{r.end, errors.New("the checksum of a length is wrong")}
		if allZero(head[:]) {
			return nil, 0, r.zeros(nil, fault)
		}
		return nil, 0, fault
	}
	size := int(binary.LittleEndian.Uint32(head[:]))
	if r.buf, err = readInto(r.r, r.buf[:0], size); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = ErrTorn
		}
		return nil, 0, err
	}
	if binary.LittleEndian.Uint32(head[4:]) != crc32.Checksum(r.buf, castagnoli) {
		return nil, 0, &Fault{r.end + FrameSize, fmt.Errorf("the checksum of a message of %d bytes is wrong", size)}
	}
	offset = r.end + FrameSize
	r.end = offset + int64(size)
	return r.buf, offset, nil
}

// zeros returns ErrTorn if all that is left is zeros: file systems leave those where a file was made longer and not
// written. Else it returns the fault. err is what reading ended with so far.
func (r *Reader) zeros(err error, fault error) error {
	var room [512]byte
	for err == nil {
		var n int
		if n, err = r.r.Read(room[:]); !allZero(room[:n]) {
			return fault
		}
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrTorn
	}
	return err
}

func allZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}

// readInto appends n bytes of a reader to buf. It makes room as they come, so that a length that is wrong costs no memory.
func readInto(r io.Reader, buf []byte, n int) ([]byte, error) {
	for len(buf) < n {
		room := min(n-len(buf), max(1<<16, len(buf)))
		buf = slices.Grow(buf, room)
		m, err := io.ReadFull(r, buf[len(buf):len(buf)+room])
		if buf = buf[:len(buf)+m]; err != nil {
			return buf, err
		}
	}
	return buf, nil
}
