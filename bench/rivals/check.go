package rivals

import "math"

// Placement is where a task went, by the names of its group and its node.
type Placement struct{ Group, Node string }

// Quality is how good placements are. It is found by counting, without the help of any scheduler.
type Quality struct {
	Placed     int
	Violations int     // tasks beyond the room of a node, on the wrong disk, beyond the first of a node, or far from their group
	Used       int     // nodes that have tasks
	Cores      int     // of those nodes
	Skew       float64 // of groups to be even over zones: the tasks of the fullest zone above those of the emptiest, on average
}

// Check counts. What is placed of a group or on a node that the workload does not have breaks a rule, and counts for nothing else.
func Check(w *Workload, placed []Placement) Quality {
	q := Quality{Placed: len(placed)}
	zones := map[string]bool{}
	for _, n := range w.Nodes {
		zones[n.Zone] = true
	}
	cpu, memory := make([]int64, len(w.Nodes)), make([]int64, len(w.Nodes))
	on, in := map[Placement]int{}, make([]map[string]int, len(w.Groups))
	groupAt, nodeAt := map[string]int{}, map[string]int{}
	for i := range w.Groups {
		in[i], groupAt[w.Groups[i].Name] = map[string]int{}, i
	}
	for i := range w.Nodes {
		nodeAt[w.Nodes[i].ID] = i
	}
	for _, p := range placed {
		group, known := groupAt[p.Group]
		node, there := nodeAt[p.Node]
		if !known || !there {
			q.Violations++
			continue
		}
		g, n := &w.Groups[group], &w.Nodes[node]
		cpu[node] += g.CPU
		memory[node] += g.Memory
		on[p]++
		in[group][n.Zone]++
		if g.SSD && n.Disk != "ssd" {
			q.Violations++
		}
		if (g.Alone || g.EveryNode) && on[p] > 1 {
			q.Violations++
		}
	}
	for _, p := range placed {
		group, known := groupAt[p.Group]
		node, there := nodeAt[p.Node]
		if !known || !there {
			continue
		}
		if near := w.Groups[group].Near; near != "" && in[groupAt[near]][w.Nodes[node].Zone] == 0 {
			q.Violations++
		}
	}
	for i, n := range w.Nodes {
		if cpu[i] > n.CPU || memory[i] > n.Memory {
			q.Violations++
		}
		if cpu[i] > 0 {
			q.Used++
			q.Cores += int(n.CPU / 1000)
		}
	}
	even := 0
	for i, g := range w.Groups {
		if !g.Zones {
			continue
		}
		least, most := math.MaxInt, 0
		for zone := range zones {
			least, most = min(least, in[i][zone]), max(most, in[i][zone])
		}
		even++
		q.Skew += float64(most - least)
	}
	if even > 0 {
		q.Skew /= float64(even)
	}
	return q
}
