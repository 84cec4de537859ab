package scheduler

import (
	"cmp"
	"strings"
	"time"
)

// age is by what tasks are told that are younger than others.
type age struct {
	since time.Time
	id    string
}

// compare orders ages, the youngest first.
func (a age) compare(b age) int { return cmp.Or(b.since.Compare(a.since), compareIDs(b.id, a.id)) }

// compareIDs orders IDs by their parts, numbers as numbers.
func compareIDs(a, b string) int {
	digit := func(s string, i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if digit(a, i) && digit(b, j) {
			x, y := i, j
			for digit(a, x) {
				x++
			}
			for digit(b, y) {
				y++
			}
			m, n := strings.TrimLeft(a[i:x], "0"), strings.TrimLeft(b[j:y], "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
				return c
			}
			i, j = x, y
			continue
		}
		if a[i] != b[j] {
			return cmp.Compare(a[i], b[j])
		}
		i, j = i+1, j+1
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
