package scheduler_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// What other schedulers' tests say of taking back what is guaranteed, as far as it does not hang on priorities, which berth has not.
func TestReclaimOfOtherSchedulers(t *testing.T) {
	cpu := func(q int64) berth.Resources { return berth.Resources{"cpu": q} }
	both := func(c, m int64) berth.Resources { return berth.Resources{"cpu": c, "memory": m} }
	type running struct {
		role berth.Role
		n    int
		each berth.Resources
	}
	for _, tc := range []struct {
		source string // and what it says
		node   berth.Resources
		quotas []berth.Quota
		on     []running
		role   berth.Role
		ask    berth.Resources
		want   string
	}{
		{"YuniKorn preemption: victims leave their queue at what is guaranteed or above", cpu(10),
			[]berth.Quota{{Role: "a", Guarantees: cpu(5)}, {Role: "b", Guarantees: cpu(5)}},
			[]running{{"b", 6, cpu(1)}, {"c", 4, cpu(1)}}, "a", cpu(5), "a-1 on n for a: ends c-4, c-3, c-2, c-1, b-6"},
		{"YuniKorn preemption: not if a queue would get below", cpu(10),
			[]berth.Quota{{Role: "a", Guarantees: cpu(5)}, {Role: "b", Guarantees: cpu(8)}},
			[]running{{"b", 8, cpu(1)}, {"c", 2, cpu(1)}}, "a", cpu(5), "unplaced"},
		{"YuniKorn preemption: victims have of what the ask lacks", both(10, 10), []berth.Quota{{Role: "a", Guarantees: both(2, 2)}},
			[]running{{"b", 5, both(2, 0)}, {"c", 4, both(0, 2)}}, "a", both(2, 2), "a-1 on n for a: ends b-5"},
		{"YuniKorn preemption: a queue above what is guaranteed does not preempt", cpu(10), []berth.Quota{{Role: "a", Guarantees: cpu(2)}},
			[]running{{"a", 2, cpu(1)}, {"b", 8, cpu(1)}}, "a", cpu(1), "unplaced"},
		{"KAI reclaim: from a queue above what it deserves, by one that stays within", cpu(4),
			[]berth.Quota{{Role: "a", Guarantees: cpu(2)}, {Role: "b", Guarantees: cpu(2)}},
			[]running{{"b", 4, cpu(1)}}, "a", cpu(2), "a-1 on n for a: ends b-4, b-3"},
		{"KAI reclaim: not by a queue that would have more than it deserves", cpu(4),
			[]berth.Quota{{Role: "a", Guarantees: cpu(2)}, {Role: "b", Guarantees: cpu(1)}},
			[]running{{"b", 4, cpu(1)}}, "a", cpu(3), "unplaced"},
		{"KAI reclaim: of siblings, whatever is guaranteed above them", cpu(6),
			[]berth.Quota{{Role: "eng", Guarantees: cpu(4)}, {Role: "eng/a", Guarantees: cpu(2)}, {Role: "ops", Guarantees: cpu(2)}},
			[]running{{"eng/b", 4, cpu(1)}, {"ops", 2, cpu(1)}}, "eng/a", cpu(2), "a-1 on n for eng/a: ends b-4, b-3"},
		{"Volcano proportion: a queue keeps its guarantee in each resource", both(4, 8),
			[]berth.Quota{{Role: "a", Guarantees: both(2, 2)}, {Role: "b", Guarantees: berth.Resources{"memory": 4}}},
			[]running{{"b", 2, both(2, 2)}}, "a", both(2, 2), "unplaced"},
		{"Nomad preemption: the service goes for the system job", cpu(14000), []berth.Quota{{Role: "system", Guarantees: cpu(1000)}},
			[]running{{"service", 1, cpu(13500)}}, "system", cpu(1000), "system-1 on n for system: ends service-1"},
		{"Nomad preemption: none of equals", both(3900, 7936), nil, []running{{"b", 1, both(3200, 7256)}}, "a", both(2000, 256), "unplaced"},
		{"Nomad preemption: more than the node has less its reserve", both(3900, 7936), []berth.Quota{{Role: "a", Guarantees: both(4000, 8192)}},
			[]running{{"b", 1, both(3200, 7256)}}, "a", both(4000, 8192), "unplaced"},
		// 512 less are enough, and the task that has most of what is short is nearer to the ask than the two small ones together.
		{"Nomad preemption: one in place of two", cpu(4096), []berth.Quota{{Role: "a", Guarantees: cpu(2048)}},
			[]running{{"b", 2, cpu(1024)}, {"c", 1, cpu(2048)}}, "a", cpu(2048), "a-1 on n for a: ends c-1"},
	} {
		t.Run(tc.source, func(t *testing.T) {
			fork := cluster.NewFork()
			require.NoError(t, fork.AddNodes(berth.Node{ID: "n", Capacity: tc.node}))
			name := func(r berth.Role) string { return string(r[strings.LastIndex(string(r), "/")+1:]) }
			for _, r := range tc.on {
				g := berth.NewGroup(name(r.role), berth.GroupSpec{Role: r.role, Request: r.each})
				for i := range r.n {
					_, why := fork.Apply(berth.Op{Kind: berth.Place, Task: g.Task(fmt.Sprintf("%s-%d", g.Name(), i+1)), Node: "n"})
					require.Equal(t, berth.None, why.Code)
				}
			}
			require.NoError(t, fork.SetQuotas(tc.quotas...))
			s, err := scheduler.New(newState(t, scheduler.StateConfig{}), scheduler.Config{})
			require.NoError(t, err)
			id := name(tc.role) + "-1"
			if _, taken := fork.Task(id); taken {
				id = name(tc.role) + "-more"
			}
			got, err := s.Reclaim(t.Context(), fork.Snapshot(), scheduler.Reclaim{}, berth.NewTask(id, berth.GroupSpec{Role: tc.role, Request: tc.ask}))
			require.NoError(t, err)
			said := "unplaced"
			if len(got.Claims) > 0 {
				said = got.Claims[0].String()
			}
			assert.Equal(t, tc.want, said)
			if len(got.Claims) == 0 {
				return
			}
			// Volcano 561, 3729 and 4947, and what Armada claims: whoever lost a task that is handed in again takes nothing back.
			var lost []berth.Task
			for _, v := range got.Claims[0].Ends {
				lost = append(lost, v.Task)
			}
			for _, op := range got.Plan.Ops {
				_, why := fork.Apply(op)
				require.Equal(t, berth.None, why.Code)
			}
			again, err := s.Reclaim(t.Context(), fork.Snapshot(), scheduler.Reclaim{}, lost...)
			require.NoError(t, err)
			assert.Empty(t, again.Claims)
		})
	}
}
