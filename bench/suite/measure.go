package suite

import (
	"math"
	"strings"
)

// Better says which way a measure is better.
type Better int

const (
	// Neither: it describes, and is no matter of better or worse.
	Neither Better = iota
	// Higher is better.
	Higher
	// Lower is better.
	Lower
)

// Measure says what a metric means. A metric's name is a measure's, with what it is of behind a dot: "allocated.gpu".
type Measure struct {
	Name   string
	Unit   string
	Better Better
	Means  string
}

// measures are those of this package's scenarios; [Measures] lists them.
var measures = []Measure{
	{"allocated", "%", Higher, "of all there is of a resource, what tasks have in the end"},
	{"area", "%", Higher, "the area under allocated over arrived load, of what it would be were nothing ever rejected for want of a better place"},
	{"first-rejection", "%", Higher, "the load that has arrived when the first task finds no node; all of it if every task does"},
	{"rejected", "%", Lower, "tasks that found no node: of all, and of those that ask for less than 1/16 (small), less than 1/4 (medium) or more (large) of the largest node"},
	{"nodes-used", "nodes", Lower, "nodes with at least one task in the end"},
	{"nodes-bound", "nodes", Neither, "the fewest nodes that have what the placed tasks take, resource by resource: none could do with less"},
	{"gap", "%", Lower, "nodes used beyond the bound, of the bound"},
	{"stranded", "%", Lower, "of all there is of a resource, what is free where the typical tasks do not fit, each weighted by how many there are"},
	{"imbalance", "points", Neither, "the standard deviation, over nodes, of the part in use of the scarce resource"},
	{"machines", "nodes", Lower, "the fewest machines, of a random order of them, that hold the load with at most 0.2 % of its tasks pending; nothing if all machines do not"},
	{"bins", "ratio", Lower, "bins opened, over the bound by volume"},
	{"empty", "%", Higher, "nodes without a task, in the mean over the second half of the time"},
	{"split", "%", Lower, "batches of which some tasks found a node and others did not"},
	{"violations", "", Lower, "placed tasks that break a rule of theirs, counted by looking at all of them in the end"},
	{"partial", "gangs", Lower, "gangs of which some tasks run, but fewer than their size"},
	{"whole", "%", Higher, "gangs that run, of all"},
	{"zone-imbalance", "points", Lower, "the part in use of the fullest zone less that of the emptiest"},
	{"zone-loss", "%", Lower, "of a service's tasks, what is lost with the zone that has most of them, in the mean over services"},
	{"gap-shares", "%", Lower, "the greatest dominant share over weight less the smallest, among roles that still wait"},
	{"gap-level", "%", Lower, "how far dominant shares are from the level to which they would all rise alike if tasks could be divided and all nodes were one, up to what each role wants; in the mean over roles and time"},
	{"deficit", "%", Lower, "how much less than its part of the cell a waiting role has of its dominant resource, in the mean over roles and time"},
	{"starved", "rounds", Lower, "the longest a role waited without getting anything"},
	{"no-incentive", "roles", Lower, "roles that wait though they have less than their part of the cell would give"},
	{"gap-departments", "%", Lower, "the greatest dominant share less the smallest, among departments with somebody who still waits"},
	{"moves", "tasks", Lower, "tasks that were moved for each node that was emptied"},
	{"regained", "%", Higher, "nodes that were emptied, of those that were to be"},
	{"claimed", "%", Higher, "of what is guaranteed to the tenant who wants it back, what is placed in the end"},
	{"ended", "tasks", Lower, "tasks that had to end for each that was placed"},
	{"lost", "%", Lower, "what the tasks that ended had of the cores, over what those had that were placed"},
	{"offers", "offers", Neither, "offers that were made for each task that was placed"},
	{"seconds", "s", Lower, "the time it takes to take in the nodes (load) and to place all tasks (place)"},
	{"resident", "B", Lower, "the memory that the process holds when all tasks are placed, garbage not yet collected included"},
	{"replaced", "%", Higher, "tasks of a zone that failed, or of nodes that were drained, that found another node"},
	{"decisions", "1/s", Higher, "tasks placed or refused in a second, from the first call to the last commit, indexes built on the way"},
	{"latency", "ns", Lower, "the time of a call that schedules one task: median, 99th and 99.9th percentile, and the longest"},
	{"bytes", "B", Lower, "bytes allocated for each decision"},
	{"heap", "B", Lower, "what the state and the scheduler keep for each node, and for each task"},
}

// Measures returns what the metrics of this package's scenarios mean.
func Measures() []Measure { return append([]Measure(nil), measures...) }

// measureOf returns the measure of a metric. One that nobody described is of no direction.
func measureOf(metric string) Measure {
	name, _, _ := strings.Cut(metric, ".")
	for _, m := range measures {
		if m.Name == name {
			return m
		}
	}
	return Measure{Name: name}
}

// round is to six decimals, so that figures read well and no last bit of a quotient is of consequence.
func round(v float64) float64 {
	if r := math.Round(v * 1e6); math.Abs(r) < 1<<53 {
		return r / 1e6
	}
	return v
}

func percent(part, whole int64) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

func mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// deviation is the standard deviation of a sample; 0 for fewer than two values.
func deviation(values []float64) float64 {
	if len(values) < 2 {
		return 0
	}
	m, sum := mean(values), 0.0
	for _, v := range values {
		d := v - m
		sum += float64(d * d) // the conversion keeps a machine from fusing the two, which would round otherwise
	}
	return math.Sqrt(sum / float64(len(values)-1))
}
