package placement

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Who has seen a part of the log finds what came after it, or that it was dropped.
func TestChangeLog(t *testing.T) {
	var l changeLog
	l.note([]uint32{1})
	assert.Zero(t, l.end(), "nobody keeps an answer")
	l.on = true
	l.note([]uint32{1, 2})
	seen := l.end()
	l.note([]uint32{3})
	assert.Equal(t, []uint32{3}, l.rows[seen-l.from:])
	for l.from == 0 {
		l.note(make([]uint32, 1000))
	}
	assert.Less(t, seen, l.from, "dropped")
	assert.Len(t, l.rows[l.end()-l.from:], 0)
	seen = l.end()
	l.note(make([]uint32, mostLogged))
	assert.Less(t, seen, l.from, "too many to be noted")
	assert.Equal(t, l.end(), l.from)
}
