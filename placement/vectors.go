package placement

import "math"

// The heuristics of vector bin packing, where a node is a vector of what is free of each resource and a task one of what it asks
// for. What counts as one of a resource is the capacity of each node, or what [Term.Per] says: by the first all full nodes are
// alike, by the second a large node has more to give than a small one. Scores are in units of 1/[Resolution], and each is the mean, by the
// [Term.Weights] of the resources, over all that are named; of one that the node does not have nothing is asked and nothing is free.

// DotProduct is the scalar product of what a task asks for and what is free before it is placed, resource by resource: the greater the better, as
// Panigrahy, Talwar, Uyeda and Wieder have it (Heuristics for Vector Bin Packing, 2011), so that a task goes where there is
// much of what it asks much of. Times(-1) is the other way about, the DotProd of the FGD study (Weng et al., USENIX ATC 2023), which takes the least
// and fills nodes up. It is over cpu and memory if no resource is named.
//
// It prints as "dot-product(cpu, 2 memory)", or "dot-product(cpu per 128000, gpu per 8000)".
func DotProduct(resources ...string) Term { return dotProduct.term(nil, resources) }

// Tetris is the alignment score of Tetris (Grandl et al., Multi-Resource Packing for Cluster Schedulers, SIGCOMM 2014): the [DotProduct], what counts as one
// being each node's capacity. It packs tasks of different needs together where all tasks wait and the scheduler may choose which comes first; for tasks in a
// given order it spreads them, and refuses the big ones first. It is over cpu and memory if no resource is named.
//
// It prints as "tetris(cpu, 2 memory)".
func Tetris(resources ...string) Term { return tetris.term(nil, resources) }

// L1Norm is how much is left of the resources once the task is there, below zero, so that less is better: best fit. With [Term.Per]
// it is the BestFit of the FGD study but for that one's rounding to whole percents, and prefers small nodes; without, [BinPack]
// over the named resources that rounds once. It is over cpu and memory if no resource is named.
//
// It prints as "l1-norm(cpu, 2 memory)", or "l1-norm(cpu per 128000, gpu per 8000)".
func L1Norm(resources ...string) Term { return l1Norm.term(nil, resources) }

// L2Norm is the squares of what is left of the resources once the task is there, below zero, so that less is better: the norm-based greedy heuristic
// of Panigrahy and others (2011). It minds one resource of which much is left more than two of which a little is. It is
// over cpu and memory if no resource is named.
//
// It prints as "l2-norm(cpu, 2 memory)", or "l2-norm(cpu per 128000, gpu per 8000)".
func L2Norm(resources ...string) Term { return l2Norm.term(nil, resources) }

var dotProduct = &formula{word: "dot-product", resources: coresAndMemory, hi: farthest, scaled: true, make: alignment}

var tetris = &formula{word: "tetris", resources: coresAndMemory, hi: Resolution, make: alignment}

var l1Norm = &formula{word: "l1-norm", resources: coresAndMemory, lo: -farthest, scaled: true, make: func(p parameters) func(free, capacity, request []int64) int64 {
	return p.mean(func(free, request, one int64) int64 { return -partsOf(minus(free, request), one) })
}}

var l2Norm = &formula{word: "l2-norm", resources: coresAndMemory, lo: -farthest, scaled: true, make: func(p parameters) func(free, capacity, request []int64) int64 {
	return p.mean(func(free, request, one int64) int64 {
		left := partsOf(minus(free, request), one)
		return -product(left, left)
	})
}}

func alignment(p parameters) func(free, capacity, request []int64) int64 {
	return p.mean(func(free, request, one int64) int64 { return product(partsOf(request, one), partsOf(free, one)) })
}

// mean returns the formula that is the mean of what a function says of each resource of a node, which is no farther than 2^44 from zero.
func (p parameters) mean(of func(free, request, one int64) int64) func(free, capacity, request []int64) int64 {
	weights := max(sumOf(p.weights), 1)
	return func(free, capacity, request []int64) int64 {
		var sum int64
		for i, one := range capacity {
			if one <= 0 {
				continue
			}
			if p.per != nil {
				one = p.per[i]
			}
			sum += p.weights[i] * of(free[i], request[i], one)
		}
		return sum / weights
	}
}

// partsOf returns part/one in units of 1/Resolution, rounded down, from 0 to 2^44.
func partsOf(part, one int64) int64 { return min(times(part, Resolution, one), farthest) }

// product returns the product of two parts in units of 1/Resolution, rounded down, 2^44 at most.
func product(a, b int64) int64 {
	if a > math.MaxInt64/max(b, 1) {
		return farthest
	}
	return min(a*b/Resolution, farthest)
}
