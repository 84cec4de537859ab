package placement

import "math"

// NomadBinPack is Nomad's bin-packing score, its default (BestFit v3 of its source): with f the part of a resource that is free
// once the task is there, 20 - (10^f of cpu + 10^f of memory), which is from 0 to 18, divided by 18. Of n resources it is 10 n less the
// sum, divided by 9 n. The score is in units of 1/[Resolution], from 0 to Resolution: Nomad's own from 0 to 1. It fills nodes up, and
// prefers one that is full in one resource to one that is half full in both. It is over cpu and memory if no resource is named. A
// resource that a node does not have does not count there.
//
// Nomad adds up floating-point numbers, whose last digits go by the machine. Here parts and powers are in fixed point, and the
// score is within 1/25,000 of the exact one. Nomad takes the mean of this and its other scores, so that a node with more of them
// counts each for less; here they are added with the weights that they are given.
//
// It prints as "nomad-binpack(cpu, memory)".
func NomadBinPack(resources ...string) Term { return nomadBinPack.term(nil, resources) }

// NomadSpread is Nomad's score where its scheduler algorithm is "spread": with f as of [NomadBinPack] the sum of 10^f less one
// for each of n resources, divided by 9 n. The two add up to [Resolution] on every node.
//
// It prints as "nomad-spread(cpu, memory)".
func NomadSpread(resources ...string) Term { return nomadSpread.term(nil, resources) }

var nomadBinPack = &formula{word: "nomad-binpack", resources: coresAndMemory, hi: Resolution, unweighed: true,
	make: func(parameters) func(free, capacity, request []int64) int64 {
		return func(free, capacity, request []int64) int64 { return Resolution - nomadFree(free, capacity, request) }
	}}

var nomadSpread = &formula{word: "nomad-spread", resources: coresAndMemory, hi: Resolution, unweighed: true,
	make: func(parameters) func(free, capacity, request []int64) int64 { return nomadFree }}

// nomadFree is the mean, over the resources that a node has, of (10^f - 1)/9; 0 where it has none.
func nomadFree(free, capacity, request []int64) int64 {
	var sum, n int64
	for i, all := range capacity {
		if all > 0 {
			sum += powerOfTen(fraction(minus(free[i], request[i]), all)) - 1<<32
			n++
		}
	}
	return sum / max(n, 1) * Resolution / 9 >> 32
}

// powerOfTen returns 10^f in units of 2^-32, for f from 0 to 1 in units of 1/Resolution.
func powerOfTen(f int64) int64 {
	return int64(uint64(powersOfTen.high[f>>10]) * uint64(powersOfTen.low[f&1023]) >> 26)
}

// powersOfTen has the powers of ten of multiples of 2^-10, and of those of 2^-20 below, in units of 2^-29.
var powersOfTen = tenToThe()

type tenPowers struct{ high, low [1025]int64 }

// tenToThe makes the table of square roots and products alone, which are rounded alike on every machine.
func tenToThe() (t tenPowers) {
	root := 10.0
	var roots [20]float64 // 10^(2^-1), 10^(2^-2) and so on
	for i := range roots {
		root = math.Sqrt(root)
		roots[i] = root
	}
	for i := range t.high {
		high, low := 1.0, 1.0
		for bit := range 10 {
			if i>>(9-bit)&1 == 1 {
				high = float64(high * roots[bit])
				low = float64(low * roots[10+bit])
			}
		}
		if i == 1024 {
			high = 10
		}
		t.high[i], t.low[i] = int64(float64(high*(1<<29))), int64(float64(low*(1<<29)))
	}
	return t
}
