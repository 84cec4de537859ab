package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// Every time from year 1 to year 9999 has a deadline: never is none of them, a later one is never less, and none is early.
func TestFault22DeadlinesReachEveryYear(t *testing.T) {
	assert.Zero(t, DeadlineOf(time.Time{}))
	assert.True(t, DeadlineTime(0).IsZero())
	times := []time.Time{
		time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Time{}.Add(-time.Nanosecond),
		time.Time{}.Add(time.Nanosecond),
		time.Time{}.Add(time.Second),
		time.Date(1677, 9, 21, 0, 12, 43, 0, time.UTC), // where Unix nanoseconds begin
		time.Unix(0, 0).Add(-1),
		time.Unix(0, 0),
		time.Unix(0, 1),
		time.Unix(0, 999),
		time.Unix(0, 1000),
		time.Date(2262, 4, 11, 23, 47, 17, 0, time.UTC), // where they end
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(292_000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Unix(1<<60, 0),
	}
	for i, at := range times {
		d := DeadlineOf(at)
		assert.Positive(t, d, "%v", at)
		if i > 0 {
			assert.GreaterOrEqual(t, d, DeadlineOf(times[i-1]), "%v", at)
			assert.GreaterOrEqual(t, Reached(at), Reached(times[i-1]), "%v", at)
		}
		assert.LessOrEqual(t, d, Reached(at.Add(time.Microsecond)), "%v: reached a microsecond later at most", at)
		if at.Year() >= 1 && at.Year() <= 9999 {
			late := DeadlineTime(d).Sub(at)
			assert.True(t, late >= 0 && late < time.Microsecond, "%v: %v late", at, late)
			assert.Less(t, Reached(at.Add(-time.Nanosecond)), d, "%v: not reached before", at)
		}
	}
}
