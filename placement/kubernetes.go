package placement

import (
	"fmt"
	"math"
	"strings"
)

// The scores of kube-scheduler's plugins NodeResourcesFit and NodeResourcesBalancedAllocation, as of release 1.36. They are
// whole numbers from 0 to 100 and round where Kubernetes rounds, so that a sum of them with weights is the sum that Kubernetes makes:
//
//	Best(LeastAllocated(), BalancedAllocation())                     the default profile's two plugins about resources
//	Best(MostAllocated("cpu", "gpu").Weights(1, 5))                  bin packing, GPUs counting five times
//
// Three things are alike in all. The task counts as being on the node. A resource that the node has none of does not
// count. And one other than cpu, memory and ephemeral-storage does not count for a task that does not ask for it, as Kubernetes
// has it for extended resources.
//
// Kubernetes scores, but does not place, a container that states no cpu or memory as if it had asked for 100 m or 200 MiB. Here
// nothing is made up: what a task is to count as is what it asks for. Kubernetes' products are of 64 bits, and wrong for
// amounts above 2^63/100; these are right.

// scorer tells which resources count.
type scorer struct {
	weights []int64
	always  []bool // by resource: whether it counts for tasks that do not ask for it
	both    int64  // what the weights come to, of two resources
}

func scorerOf(p parameters) scorer {
	k := scorer{weights: p.weights, always: make([]bool, len(p.names))}
	if len(k.weights) == 2 {
		k.both = max(k.weights[0]+k.weights[1], 1)
	}
	for i, name := range p.names {
		k.always[i] = name == "cpu" || name == "memory" || name == "ephemeral-storage"
	}
	return k
}

func (k *scorer) counts(i int, capacity, request []int64) bool {
	return capacity[i] > 0 && (k.always[i] || request[i] > 0)
}

// percent returns how much of a whole a part is, from 0 to 100, rounded down.
func percent(part, whole int64) int64 { return times(min(part, whole), 100, whole) }

// requested returns what is in use of a capacity once there is a task.
func requested(free, capacity, request int64) int64 { return minus(capacity, minus(free, request)) }

// LeastAllocated is the score of NodeResourcesFit with the strategy LeastAllocated, Kubernetes' default: the mean, by the
// [Term.Weights] of the resources, of the percentage of each that is free once the task is there; each percentage and the mean are
// rounded down. It is from 0 to 100, and spreads tasks. It is over cpu and memory if no resource is named.
//
// It prints as "least-allocated(cpu, 2 memory)".
func LeastAllocated(resources ...string) Term { return leastAllocated.term(nil, resources) }

var leastAllocated = &formula{word: "least-allocated", resources: coresAndMemory, hi: 100, make: func(p parameters) func(free, capacity, request []int64) int64 {
	k := scorerOf(p)
	return func(free, capacity, request []int64) int64 {
		if len(capacity) == 2 && k.counts(0, capacity, request) && k.counts(1, capacity, request) { // as below, but faster
			first := k.weights[0] * percent(minus(free[0], request[0]), capacity[0])
			return (first + k.weights[1]*percent(minus(free[1], request[1]), capacity[1])) / k.both
		}
		var sum, weights int64
		for i, all := range capacity {
			if k.counts(i, capacity, request) {
				sum += k.weights[i] * percent(minus(free[i], request[i]), all)
				weights += k.weights[i]
			}
		}
		return sum / max(weights, 1)
	}
}}

// MostAllocated is the score of NodeResourcesFit with the strategy MostAllocated: the mean, by the [Term.Weights] of the
// resources, of the percentage of each that is in use once the task is there; each percentage and the mean are rounded down. It is from
// 0 to 100, and packs tasks. It is over cpu and memory if no resource is named. [BinPack] is finer, and costs less.
//
// It prints as "most-allocated(cpu, 2 memory)".
func MostAllocated(resources ...string) Term { return mostAllocated.term(nil, resources) }

var mostAllocated = &formula{word: "most-allocated", resources: coresAndMemory, hi: 100, make: func(p parameters) func(free, capacity, request []int64) int64 {
	k := scorerOf(p)
	return func(free, capacity, request []int64) int64 {
		if len(capacity) == 2 && k.counts(0, capacity, request) && k.counts(1, capacity, request) { // as below, but faster
			first := k.weights[0] * percent(requested(free[0], capacity[0], request[0]), capacity[0])
			return (first + k.weights[1]*percent(requested(free[1], capacity[1], request[1]), capacity[1])) / k.both
		}
		var sum, weights int64
		for i, all := range capacity {
			if k.counts(i, capacity, request) {
				sum += k.weights[i] * percent(requested(free[i], all, request[i]), all)
				weights += k.weights[i]
			}
		}
		return sum / max(weights, 1)
	}
}}

// ShapePoint says what a use of a resource is worth: Utilization in percent, from 0 to 100, and Score from 0 to 10.
type ShapePoint struct{ Utilization, Score int64 }

// Shape is a line through points, in ascending order of utilization. Before the first and after the last it is level.
type Shape []ShapePoint

// String prints the shape: "0 to 0, 100 to 10".
func (s Shape) String() string {
	points := make([]string, len(s))
	for i, p := range s {
		points[i] = fmt.Sprintf("%d to %d", p.Utilization, p.Score)
	}
	return strings.Join(points, ", ")
}

// Err returns what is wrong with the shape, or nil.
func (s Shape) Err() error {
	if len(s) == 0 {
		return fmt.Errorf("the shape has no points")
	}
	for i, p := range s {
		switch {
		case p.Utilization < 0 || p.Utilization > 100:
			return fmt.Errorf("a utilization of %d is not within 0 to 100", p.Utilization)
		case p.Score < 0 || p.Score > 10:
			return fmt.Errorf("a score of %d is not within 0 to 10", p.Score)
		case i > 0 && p.Utilization <= s[i-1].Utilization:
			return fmt.Errorf("a utilization of %d comes after one of %d", p.Utilization, s[i-1].Utilization)
		}
	}
	return nil
}

// at returns what a utilization is worth, from 0 to 100. The part of the way from one point to the next is rounded towards the former.
func (s Shape) at(utilization int64) int64 {
	for i, p := range s {
		if utilization > p.Utilization {
			continue
		}
		if i == 0 {
			return 10 * p.Score
		}
		from := s[i-1]
		return 10*from.Score + 10*(p.Score-from.Score)*(utilization-from.Utilization)/(p.Utilization-from.Utilization)
	}
	if len(s) == 0 {
		return 0
	}
	return 10 * s[len(s)-1].Score
}

// RequestedToCapacityRatio is the score of NodeResourcesFit with the strategy of that name: of each resource, what the
// shape says of the percentage in use once the task is there, which is rounded down, times ten; of these the mean by the
// [Term.Weights] of the resources, rounded to the nearest, over those of which it is not 0. It is from 0 to 100. It is over cpu
// and memory if no resource is named. A shape that rises packs, and one that falls spreads.
//
// It prints as "requested-to-capacity-ratio(gpu, 2 cpu; 0 to 0, 100 to 10)".
func RequestedToCapacityRatio(shape Shape, resources ...string) Term {
	return requestedToCapacity.term(shape, resources).anyFault(shape.Err())
}

var requestedToCapacity = &formula{word: "requested-to-capacity-ratio", resources: coresAndMemory, hi: 100, shaped: true, make: func(p parameters) func(free, capacity, request []int64) int64 {
	k := scorerOf(p)
	return func(free, capacity, request []int64) int64 {
		var sum, weights int64
		for i, all := range capacity {
			if k.counts(i, capacity, request) {
				if score := p.shape.at(percent(requested(free[i], all, request[i]), all)); score > 0 {
					sum += k.weights[i] * score
					weights += k.weights[i]
				}
			}
		}
		return (2*sum + weights) / max(2*weights, 1)
	}
}}

// BalancedAllocation is the score of NodeResourcesBalancedAllocation: how much more alike the parts in use of the resources
// become by the task. Let B be 100 times one less the standard deviation of the parts, rounded down; the score is 50 + (50 + B with the
// task - B without it)/2, rounded down: from 50 to 100, and 75 where nothing changes. (Before release 1.35 it was B with the task.) It is over cpu and
// memory if no resource is named, and has no weights. A task that asks for none of the resources is rated 0 on all nodes. Alone it packs badly: it is to be added to another score.
//
// It prints as "balanced-allocation(cpu, memory)".
func BalancedAllocation(resources ...string) Term { return balancedAllocation.term(nil, resources) }

var balancedAllocation = &formula{word: "balanced-allocation", resources: coresAndMemory, hi: 100, unweighed: true, make: func(p parameters) func(free, capacity, request []int64) int64 {
	k := scorerOf(p)
	return func(free, capacity, request []int64) int64 {
		if len(capacity) == 2 && request[0]|request[1] > 0 && k.counts(0, capacity, request) && k.counts(1, capacity, request) { // as below, but faster
			cpu, memory := minus(capacity[0], free[0]), minus(capacity[1], free[1])
			before := math.Abs((partOf(cpu, capacity[0]) - partOf(memory, capacity[1])) / 2)
			after := math.Abs((partOf(requested(free[0], capacity[0], request[0]), capacity[0]) - partOf(requested(free[1], capacity[1], request[1]), capacity[1])) / 2)
			return 50 + (50+int64((1-after)*100)-int64((1-before)*100))/2
		}
		var roomBefore, roomAfter [8]float64
		before, after, asks := roomBefore[:0], roomAfter[:0], false
		for i, all := range capacity {
			asks = asks || request[i] > 0
			if k.counts(i, capacity, request) {
				before = append(before, partOf(minus(all, free[i]), all))
				after = append(after, partOf(requested(free[i], all, request[i]), all))
			}
		}
		if !asks {
			return 0
		}
		return 50 + (50+balance(after)-balance(before))/2
	}
}}

func partOf(used, capacity int64) float64 { return min(float64(used)/float64(capacity), 1) }

// balance is 100 times one less the standard deviation of some parts, rounded down. Products are converted before they are
// added, which keeps a compiler from fusing the two: so it is the same on every machine.
func balance(parts []float64) int64 {
	deviation := 0.0
	switch {
	case len(parts) == 2:
		deviation = math.Abs((parts[0] - parts[1]) / 2)
	case len(parts) > 2:
		sum := 0.0
		for _, p := range parts {
			sum += p
		}
		mean := sum / float64(len(parts))
		sum = 0
		for _, p := range parts {
			sum += float64((p - mean) * (p - mean))
		}
		deviation = math.Sqrt(sum / float64(len(parts)))
	}
	return int64(float64((1 - deviation) * 100))
}
