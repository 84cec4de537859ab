package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const head = `| benchmark | case | nodes | fill | runs | decisions/s | of floor | of exhaustive | B/op | allocs/op | p99 ns |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
`

func TestReport(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"medians of three, of four": {
			`goos: linux
BenchmarkSchedule/case=binpack/nodes=1000/fill=0-2 	 10	 3000 decisions/s	 70 B/op	 5 allocs/op
BenchmarkSchedule/case=binpack/nodes=1000/fill=0-2 	 12	 1000000 decisions/s	 90 B/op	 7 allocs/op
BenchmarkSchedule/case=binpack/nodes=1000/fill=0-2 	 11	 2000 decisions/s	 80 B/op	 6 allocs/op
BenchmarkExhaustive/case=binpack/nodes=1000/fill=0-2 	 1	 4 decisions/s
BenchmarkExhaustive/case=binpack/nodes=1000/fill=0-2 	 1	 1 decisions/s
BenchmarkExhaustive/case=binpack/nodes=1000/fill=0-2 	 1	 2 decisions/s
BenchmarkExhaustive/case=binpack/nodes=1000/fill=0-2 	 1	 100 decisions/s
BenchmarkFloor/case=binpack/nodes=1000/fill=0-2 	 1	 4e3 decisions/s
PASS
ok  	github.com/berth-sched/berth/scheduler	3.285s
`,
			`| Schedule | binpack | 1000 | 0 | 3 | 3,000 | 0.75 | 1,000 | 80 | 6 |  |
| Exhaustive | binpack | 1000 | 0 | 4 | 3 | 0.00075 |  |  |  |  |
| Floor | binpack | 1000 | 0 | 1 | 4,000 |  | 1,333 |  |  |  |
`,
		},
		"a case without a yardstick of its own goes by binpack of the same nodes and fill": {
			`BenchmarkFloor/case=binpack/nodes=1000/fill=50 	 1	 100 decisions/s
BenchmarkFloor/case=binpack/nodes=1000/fill=0 	 1	 1 decisions/s
BenchmarkSchedule/case=single/nodes=1000/fill=50 	 10	 3000 decisions/s	 54321.4 p99-ns
BenchmarkSchedule/case=openb/nodes=1213/fill=50 	 10	 3000 decisions/s
`,
			`| Floor | binpack | 1000 | 50 | 1 | 100 |  |  |  |  |  |
| Floor | binpack | 1000 | 0 | 1 | 1 |  |  |  |  |  |
| Schedule | single | 1000 | 50 | 1 | 3,000 | 30\* |  |  |  | 54,321 |
| Schedule | openb | 1213 | 50 | 1 | 3,000 |  |  |  |  |  |
`,
		},
		"what is something else is passed over": {
			`BenchmarkWords/plan-2 	 10	 200 ns/task
BenchmarkCommit/case=binpack/nodes=1000/fill=0-2 	 10	 200 plan-ns/task
BenchmarkPlan/case=spread/nodes=1000/fill=0
BenchmarkPlan/case=spread/nodes=1000/fill=0-2 	 10	 0 decisions/s
    bench_test.go:1: BenchmarkPlan/case=nonsense
`,
			"| Plan | spread | 1000 | 0 | 1 | 0 |  |  |  |  |  |\n",
		},
		"nothing to divide by": {
			`BenchmarkFloor/case=spread/nodes=1/fill=0 	 1	 0 decisions/s
BenchmarkPlan/case=spread/nodes=1/fill=0 	 1	 5 decisions/s
`,
			"| Floor | spread | 1 | 0 | 1 | 0 |  |  |  |  |  |\n| Plan | spread | 1 | 0 | 1 | 5 |  |  |  |  |  |\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, report(strings.NewReader(c.in), &out))
			assert.Equal(t, head+c.want, out.String())
		})
	}
}

func TestBadInput(t *testing.T) {
	const name = "BenchmarkSchedule/case=binpack/nodes=1000/fill=0"
	for in, want := range map[string]string{
		"":                                   "report: no result of a benchmark by case, nodes and fill that tells decisions/s",
		"PASS\n":                             "report: no result of a benchmark by case, nodes and fill that tells decisions/s",
		"PASS\n" + name + " x 5 decisions/s": `report: line 2: ` + name + `: "x" is no number of iterations`,
		name + " 1 5":                        `report: line 1: ` + name + `: "5" has no unit, or no value`,
		name + " 1":                          `report: line 1: ` + name + `: no measure`,
		name + " 1 five decisions/s":         `report: line 1: ` + name + `: "five" is no measure of decisions/s`,
		name + " 1 NaN decisions/s":          `report: line 1: ` + name + `: "NaN" is no measure of decisions/s`,
		name + " 1 -1 B/op":                  `report: line 1: ` + name + `: "-1" is no measure of B/op`,
		name + " 1 1 B/op 2 B/op":            `report: line 1: ` + name + `: B/op is told twice`,
		name + "-2 1 5 decisions/s\n\n" + name + "-4 1 5 decisions/s":  `report: line 3: ` + name + `-4: another GOMAXPROCS than before, which does not compare`,
		"BenchmarkSchedule/case=binpack/nodes=many/fill=0 1 5 B/op":    `report: line 1: "BenchmarkSchedule/case=binpack/nodes=many/fill=0" is not of the form Benchmark.../case=C/nodes=N/fill=F`,
		"BenchmarkX/case=c/nodes=99999999999999999999/fill=0 1 5 B/op": `report: line 1: BenchmarkX/case=c/nodes=99999999999999999999/fill=0: the nodes or the fill are beyond reason`,
		"--- FAIL: BenchmarkFloor/case=daemon\nFAIL\nexit status 1":    "report: line 1: \"--- FAIL: BenchmarkFloor/case=daemon\": the benchmarks did not end well\nreport: line 2: \"FAIL\": the benchmarks did not end well",
		"PASS\n" + strings.Repeat("x", 1<<20):                          "report: line 2: bufio.Scanner: token too long",
	} {
		var out bytes.Buffer
		assert.EqualError(t, report(strings.NewReader(in), &out), want)
		assert.Empty(t, out.String())
	}
	err := report(strings.NewReader(strings.Repeat(name+" x\n", 99)), &bytes.Buffer{})
	require.Error(t, err)
	assert.Len(t, strings.Split(err.Error(), "\n"), maxFaults)
	broken := errors.New("broken pipe")
	assert.ErrorIs(t, report(iotest.ErrReader(broken), &bytes.Buffer{}), broken)
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestFault25WriteErrorIsReturned(t *testing.T) {
	const result = "BenchmarkFloor/case=binpack/nodes=1/fill=0 1 5 decisions/s\n"
	assert.ErrorIs(t, run(nil, strings.NewReader(result), full{}), errFull)
	assert.ErrorIs(t, run([]string{"-h"}, strings.NewReader(result), full{}), errFull)
}

func TestFault25ArgumentsAllAtOnce(t *testing.T) {
	assert.EqualError(t, run([]string{"x", "-y"}, strings.NewReader(""), full{}), "unexpected argument \"x\"\nflag provided but not defined: -y")
}
