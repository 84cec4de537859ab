package allocator_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// play does the steps of a line, separated by ";": those of the scripts in testdata, and "-> A B" for the order that there must be.
func play(t *testing.T, d *allocator.DRF, script string) {
	t.Helper()
	for step := range strings.FieldsFuncSeq(script, func(r rune) bool { return r == ';' || r == '\n' }) {
		f := strings.Fields(step)
		if len(f) == 0 {
			continue
		}
		amounts := func(at int) res {
			cpu, err := strconv.ParseInt(f[at], 10, 64)
			require.NoError(t, err, step)
			memory, err := strconv.ParseInt(f[at+1], 10, 64)
			require.NoError(t, err, step)
			return res{"cpu": cpu, "memory": memory}
		}
		var err error
		switch f[0] {
		case "pool":
			err = d.SetCapacity(amounts(1))
		case "grow":
			err = d.AddCapacity(amounts(1))
		case "shrink":
			err = d.RemoveCapacity(amounts(1))
		case "add":
			err = d.Add(client(f[1]))
		case "remove":
			err = d.Remove(client(f[1]))
		case "off":
			err = d.Deactivate(client(f[1]))
		case "on":
			err = d.Activate(client(f[1]))
		case "charge":
			err = d.Charge(client(f[1]), amounts(2))
		case "credit":
			err = d.Credit(client(f[1]), amounts(2))
		case "weight":
			var w int
			w, err = strconv.Atoi(f[2])
			require.NoError(t, err, step)
			err = d.SetWeight(berth.Role(f[1]), allocator.Weight(w))
		case "->":
			require.Equal(t, strings.Join(f[1:], " "), order(d), step)
		default:
			require.Fail(t, "unknown command", step)
		}
		require.NoError(t, err, step)
	}
}
