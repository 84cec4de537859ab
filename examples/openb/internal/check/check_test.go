package check_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/examples/openb/internal/check"
)

const (
	nodes = "sn,cpu_milli,memory_mib,gpu,model\nn1,4000,8192,2,T4\nn2,4000,8192,0,\n"
	pods  = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" +
		"whole,1000,1024,1,1000,\nshare,1000,1024,1,400,\npair,1000,1024,2,1000,\nplain,3000,1024,0,0,\nlarge,1000,6000,0,0,\np100,1000,1024,1,1000,P100|V100\n"
)

func TestAssignments(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"all well":          {"a,whole,n1,0:1000\na,share,n1,1:400\na,share~1,n1,1:400\na,plain,n2,\nb,pair,n1,0:1000|1:1000\n", ""},
		"unknown pod":       {"a,ghost,n1,\n", "a: ghost on n1: no such pod"},
		"unknown node":      {"a,plain,n3,\n", "a: plain on n3: no such node"},
		"twice":             {"a,whole,n1,0:1000\na,whole,n1,1:1000\n", "a: whole on n1: placed twice"},
		"too much cpu":      {"a,plain,n2,\na,plain~1,n2,\n", "a: plain~1 on n2: cpu_milli 6000 of 4000"},
		"too much memory":   {"a,large,n2,\na,large~1,n2,\n", "a: large~1 on n2: memory_mib 12000 of 8192"},
		"too much of a GPU": {"a,whole,n1,0:1000\na,share,n1,0:400\n", "a: share on n1: 1400 of GPU 0 in all"},
		"less than asked":   {"a,whole,n1,0:999\n", "a: whole on n1: 999 of GPU 0, asked for 1000"},
		"one of two":        {"a,pair,n1,0:1000\n", "a: pair on n1: 1 GPUs, asked for 2"},
		"one twice":         {"a,pair,n1,0:1000|0:1000\n", "a: pair on n1: GPU 0 given to it twice|a: pair on n1: 2000 of GPU 0 in all"},
		"no such GPU":       {"a,whole,n1,2:1000\n", "a: whole on n1: no GPU \"2:1000\""},
		"unasked GPU":       {"a,plain,n1,0:1000\n", "a: plain on n1: 1 GPUs, asked for 0|a: plain on n1: 1000 of GPU 0, asked for 0"},
		"wrong model":       {"a,p100,n1,0:1000\n", "a: p100 on n1: model T4, allowed are P100|V100"},
	} {
		t.Run(name, func(t *testing.T) {
			placed, wrong, err := check.Assignments(strings.NewReader(nodes), strings.NewReader(pods), strings.NewReader("mode,task,node,devices\n"+c.in))
			require.NoError(t, err)
			assert.Equal(t, c.want, strings.Join(wrong, "|"))
			total := 0
			for _, n := range placed {
				total += n
			}
			assert.Equal(t, strings.Count(c.in, "\n"), total)
		})
	}
}

func TestUnreadable(t *testing.T) {
	for name, in := range map[string]string{"empty": "", "column missing": "mode,task,node\n", "ragged": "mode,task,node,devices\na\n", "cut short": "mode,task,node,devices\na,plain,n"} {
		t.Run(name, func(t *testing.T) {
			_, _, err := check.Assignments(strings.NewReader(nodes), strings.NewReader(pods), strings.NewReader(in))
			assert.ErrorContains(t, err, "assignments: ")
		})
	}
}
