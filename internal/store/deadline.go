package store

import "time"

// Deadlines are counted in microseconds from the beginning of year 1, which is 1, so that 0 is free to mean never. That
// reaches about 292,000 years.
const (
	firstMicro = -62135596800000000 // of year 1, in Unix time
	lastStamp  = 1<<63 - 1
)

// lastTime is the latest time that has a deadline of its own.
var lastTime = time.UnixMicro(firstMicro - 1 + lastStamp).UTC()

// DeadlineOf returns a time as a deadline, rounded up to microseconds. The zero time is 0, which is never. Times before year 1 are
// its beginning, and times beyond what can be counted are the latest that can.
func DeadlineOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	at := stampOf(t)
	if t.Nanosecond()%1000 != 0 && at < lastStamp && t.Year() >= 1 {
		at++
	}
	return at
}

// Reached returns the latest deadline that has been reached at a time.
func Reached(now time.Time) int64 { return stampOf(now) }

func stampOf(t time.Time) int64 {
	switch {
	case t.Unix() < firstMicro/1e6:
		return 1
	case !t.Before(lastTime):
		return lastStamp
	}
	return t.UnixMicro() - firstMicro + 1
}

// DeadlineTime returns when a deadline is, in UTC; the zero time for never.
func DeadlineTime(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMicro(at - 1 + firstMicro).UTC()
}
