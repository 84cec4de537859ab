package scheduler

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The thousands of tasks of one plan expire at one time. To be asked for that after each that was confirmed looks at none of them, and what is
// passed by on the way is a few for each at most.
func TestDeadlinesOfOneTimeAreNotLookedThrough(t *testing.T) {
	const n = 4096
	at := time.Unix(1000, 0)
	looks, ended := 0, map[string]bool{}
	var d deadlines
	d = newDeadlines(func(id string) int64 {
		looks++
		if ended[id] {
			return 0
		}
		return d.last.at
	})
	for i := range n {
		d.add(at, fmt.Sprint("t", i))
	}
	for i := range n {
		first, some := d.first()
		assert.True(t, some)
		assert.True(t, at.Equal(first))
		ended[fmt.Sprint("t", i)] = true
		d.remove(at, fmt.Sprint("t", i))
	}
	assert.Less(t, looks, 4*n)
	_, some := d.first()
	assert.False(t, some)
}
