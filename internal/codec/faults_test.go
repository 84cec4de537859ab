package codec_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/codec"
)

func TestFaults(t *testing.T) {
	any := func(read func(*codec.Decoder)) func(*codec.Decoder) { return read }
	op := any(func(d *codec.Decoder) { d.Op() })
	node := any(func(d *codec.Decoder) { d.Node() })
	group := any(func(d *codec.Decoder) { d.Group() })
	for _, c := range []struct {
		name  string
		read  func(*codec.Decoder)
		bytes string
		want  string
	}{
		{"nothing", op, "", "byte 100: a number is cut off"},
		{"half a number", op, "\x80", "byte 100: a number is cut off"},
		{"a long number", op, "\x80\x00", "byte 100: a number is longer than it must be"},
		{"a large number", op, strings.Repeat("\xff", 10) + "\x01", "byte 100: a number is too large"},
		{"a kind beyond a byte", op, "\x80\x02\x00", "byte 100: operation 256 is more than 255"},
		{"parts that are unknown", op, "\x00\x80\x02", "byte 101: the parts of an operation 256 is more than 255"},
		{"a part that is empty", op, "\x00\x01\x00", "byte 102: a part is there and empty"},
		{"a group that is none", op, "\x00\x02\x00", "byte 101: a part is there and empty"},
		{"a long text", op, "\x00\x01\x05abcd", "byte 102: a list of 5 does not fit in the 4 bytes that are left"},
		{"too much", op, "\x00\x00\x00", "byte 102: 1 bytes are left over"},
		{"a group that was not named", group, "\x05", "byte 100: group 3 is named, of 0"},
		{"a group of nothing", group, "\x01\x00", "byte 102: a number is cut off"},
		{"a group without a name", group, "\x01\x0c" + strings.Repeat("\x00", 12), "byte 101: group: empty name"},
		{"a group with something more", group, "\x01\x0e\x01g" + strings.Repeat("\x00", 12), "byte 115: 1 bytes are left over"},
		{"a rule that is none", group, "\x01\x15\x01g\x00\x00\x00\x00\x00\x00\x00\x01\x07unique(\x00\x00\x00", `byte 112: rule: constraints: offset 7, between "unique(" and "": want a name`},
		{"names in another order", node, "\x01n\x02\x01b\x02\x01a\x02\x00\x00\x00\x00\x00", `byte 106: name "a" comes after "b"`},
		{"a name twice", node, "\x01n\x02\x01a\x02\x01a\x02\x00\x00\x00\x00\x00", `byte 106: name "a" comes after "a"`},
		{"more names than fit", node, "\x01n\x04\x01a\x02\x01a\x02", "byte 102: a list of 4 does not fit in the 6 bytes that are left"},
		{"a kind of values", node, "\x01n\x00\x01\x01a\x0f\x00", "byte 106: kind 15 of a value is unknown"},
		{"a value beyond its type", node, "\x01n\x00\x01\x01a\x02\x80\x02", "byte 107: number 128 does not fit in 8 bits"},
		{"half a value", node, "\x01n\x00\x01\x01a\x0c\x00\x00", "byte 107: a number is cut off"},
		{"a value that is no number", node, "\x01n\x00\x01\x01a\x0e\x00\x00\x00\x00\x00\x00\xf8\x7f", "byte 107: value NaN is not a finite number"},
		{"a truth value", node, "\x01n\x00\x00\x00\x00\x00\x02", "byte 107: truth value 2 is more than 1"},
		{"a port", node, "\x01n\x00\x00\x00\x00\x01\x80\x80\x08\x01\x00", "byte 107: port 131072 is more than 131071"},
		{"a port of no protocol", node, "\x01n\x00\x00\x00\x00\x01\x80\x80\x04\x01\x00\x00", "byte 111: a port is written as one of a protocol or at an address, and is not"},
	} {
		d := codec.NewDecoder(constraints.Parse)
		d.Begin([]byte(c.bytes), 100)
		c.read(d)
		assert.EqualError(t, d.End(), c.want, c.name)
	}
}

// stream returns a stream of messages, and where each ends.
func stream(t testing.TB, messages ...string) (out []byte, ends []int) {
	head := codec.NewHead('X')
	out = append(out, head[:]...)
	for _, m := range messages {
		frame := append(make([]byte, codec.FrameSize), m...)
		require.NoError(t, codec.Frame(frame))
		out = append(out, frame...)
		ends = append(ends, len(out))
	}
	return out, ends
}

func readAll(r io.Reader) (messages []string, end int64, err error) {
	in := codec.NewReader(r)
	err = in.Head(codec.NewHead('X'))
	for err == nil {
		var m []byte
		if m, _, err = in.Next(); err == nil {
			messages = append(messages, string(m))
		}
	}
	return messages, in.End(), err
}

// A stream that is cut off anywhere, and one that goes on with zeros from there, has the messages before.
func TestTornStreams(t *testing.T) {
	whole, ends := stream(t, "one", "", "three", strings.Repeat("x", 100_000))
	messages, end, err := readAll(iotest.OneByteReader(bytes.NewReader(whole)))
	require.Equal(t, io.EOF, err)
	require.Len(t, messages, 4)
	require.Equal(t, int64(len(whole)), end)
	for cut := range len(whole) {
		if cut > 200 && cut%997 != 0 {
			continue
		}
		n := 0
		last := int64(0)
		if cut >= 8 {
			last = 8
		}
		for n < len(ends) && ends[n] <= cut {
			last = int64(ends[n])
			n++
		}
		atEnd := cut == 0 || int64(cut) == last
		messages, end, err := readAll(bytes.NewReader(whole[:cut]))
		require.Len(t, messages, n)
		require.Equal(t, last, end)
		if atEnd {
			require.Equal(t, io.EOF, err, "cut at %d", cut)
		} else {
			require.Equal(t, codec.ErrTorn, err, "cut at %d", cut)
		}
		if int64(cut) == last && cut > 0 {
			_, end, err = readAll(bytes.NewReader(append(bytes.Clone(whole[:cut]), make([]byte, 3000)...)))
			require.Equal(t, codec.ErrTorn, err, "zeros from %d", cut)
			require.Equal(t, last, end)
		}
	}
	_, _, err = readAll(bytes.NewReader(make([]byte, 100)))
	require.Equal(t, codec.ErrTorn, err)
}

// A byte that is another than it was is found.
func TestRottenStreams(t *testing.T) {
	whole, ends := stream(t, "one", "two two", "three")
	for i := range whole {
		rotten := bytes.Clone(whole)
		rotten[i] ^= 0x10
		messages, _, err := readAll(bytes.NewReader(rotten))
		var fault *codec.Fault
		require.ErrorAs(t, err, &fault, "byte %d", i)
		require.LessOrEqual(t, fault.Offset, int64(i), "byte %d", i)
		n := 0
		for n < len(ends) && ends[n] <= i {
			n++
		}
		require.Len(t, messages, n)
	}
	for text, want := range map[string]string{
		"berthX\x02\n":       "byte 6: version 2 is unknown, not 1",
		"berthL\x01\n":       `byte 5: a stream of the kind 'L', not 'X'`,
		"GIF89a\x01\n":       "byte 0: not a stream of berth's",
		"GIF":                "byte 0: not a stream of berth's",
		"\x00\x00\x00GIF89a": "byte 0: not a stream of berth's",
		"berthX\x01\n" + strings.Repeat("\x00", 600) + "x": "byte 8: the checksum of a length is wrong",
	} {
		_, _, err := readAll(strings.NewReader(text))
		assert.EqualError(t, err, want)
	}
	errDisk := errors.New("read error")
	for _, n := range []int{0, 3, 8, 12, 20, 22} {
		_, _, err := readAll(io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(errDisk)))
		assert.Equal(t, errDisk, err, n)
	}
}

// A length that is wrong costs no memory, even where its checksum is right.
func TestLongLengths(t *testing.T) {
	huge := make([]byte, codec.FrameSize+1<<26)
	require.NoError(t, codec.Frame(huge))
	head := codec.NewHead('X')
	text := append(head[:], huge[:codec.FrameSize+10]...)
	allocated := testing.AllocsPerRun(1, func() {
		_, _, err := readAll(bytes.NewReader(text))
		require.Equal(t, codec.ErrTorn, err)
	})
	assert.Less(t, allocated, 20.0)
	res := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = readAll(bytes.NewReader(text))
		}
	})
	assert.Less(t, res.AllocedBytesPerOp(), int64(1<<18))
}

func FuzzWords(f *testing.F) {
	e := codec.NewEncoder(constraints.Parse)
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 1}, Rules: []berth.Constraint{constraints.Unique("zone")}})
	e.Op(&berth.Op{Kind: berth.Place, Task: g.Task("g-1"), Node: "n1", Grant: &berth.Grant{Ports: []berth.Port{{Number: 80}}}})
	f.Add(bytes.Clone(e.Buf))
	e.Begin(nil)
	e.Op(&berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h", Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 1}}})
	f.Add(bytes.Clone(e.Buf))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := codec.NewDecoder(constraints.Parse)
		d.Begin(data, 0)
		op := d.Op()
		if d.End() == nil {
			e := codec.NewEncoder(constraints.Parse)
			e.Op(&op)
			require.NoError(t, e.Err())
			d.Begin(e.Buf, 0)
			again := d.Op()
			require.NoError(t, d.End())
			e2 := codec.NewEncoder(constraints.Parse)
			e2.Op(&again)
			require.Equal(t, e.Buf, e2.Buf)
		}
		d.Begin(data, 0)
		n := d.Node()
		if d.End() == nil {
			e := codec.NewEncoder(constraints.Parse)
			e.Node(&n)
			require.NoError(t, e.Err())
			require.Equal(t, data, e.Buf, "bytes that are read were written so")
		}
	})
}
