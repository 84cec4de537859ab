package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
)

// rank prints how a term rates the nodes of halfFull for a task of 2 cores and 4 GiB, the best first: n1 is an empty node of 8 cores
// and 32 GiB, n2 one that is half full, n3 an empty one of twice that.
func rank(term placement.Term) {
	fmt.Println(term)
	task := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 2000, "memory": 4 << 30}}).Task("web")
	picker := placement.NewEngine(placement.Best(term))
	picker.Start(halfFull())
	for choice := range picker.Candidates(task, placement.Ask{}).All() {
		fmt.Println(choice.Node, choice.Score()[1].Sum)
	}
}

// The emptiest node, counting in whole percents: of n1 75 % of the cores and 87 % of the memory are left.
func ExampleLeastAllocated() {
	rank(placement.LeastAllocated())
	// Output:
	// least-allocated(cpu, memory)
	// n3 90
	// n1 81
	// n2 31
}

// The fullest node. Memory counts three times as much as cores.
func ExampleMostAllocated() {
	rank(placement.MostAllocated("cpu", "memory").Weights(1, 3))
	// Output:
	// most-allocated(cpu, 3 memory)
	// n2 65
	// n1 15
	// n3 7
}

// Nodes are best when three quarters of their cores are in use.
func ExampleRequestedToCapacityRatio() {
	rank(placement.RequestedToCapacityRatio(placement.Shape{{0, 0}, {75, 10}, {100, 3}}, "cpu"))
	// Output:
	// requested-to-capacity-ratio(cpu; 0 to 0, 75 to 10, 100 to 3)
	// n2 100
	// n1 33
	// n3 16
}

func ExampleShape() {
	packs := placement.Shape{{0, 0}, {100, 10}}
	fmt.Println(packs, packs.Err())
	fmt.Println(placement.Shape{{100, 10}, {0, 11}}.Err())
	// Output:
	// 0 to 0, 100 to 10 <nil>
	// a score of 11 is not within 0 to 10
}

// The task asks for more cores than memory, which makes nodes less balanced: the larger the node the less.
func ExampleBalancedAllocation() {
	rank(placement.BalancedAllocation())
	// Output:
	// balanced-allocation(cpu, memory)
	// n3 73
	// n1 71
	// n2 71
}

// Kubernetes adds up the scores of its plugins, each with a weight, and so does a sum of terms. The text is read back.
func ExampleLeastAllocated_profile() {
	profile := placement.Best(placement.LeastAllocated(), placement.BalancedAllocation().Times(2))
	fmt.Println(profile)
	same, err := placement.ParseStrategy("least-allocated(cpu, memory) + 2 balanced-allocation(cpu, memory)")
	fmt.Println(same, err)
	// Output:
	// least-allocated(cpu, memory) + 2 balanced-allocation(cpu, memory)
	// least-allocated(cpu, memory) + 2 balanced-allocation(cpu, memory) <nil>
}

// Of n2 a quarter of the cores and three eighths of the memory are left: (20 - 10^0.25 - 10^0.375)/18 = 0.8806, in units of 2^-20.
func ExampleNomadBinPack() {
	rank(placement.NomadBinPack())
	// Output:
	// nomad-binpack(cpu, memory)
	// n2 923350
	// n1 400652
	// n3 223779
}

func ExampleNomadSpread() {
	rank(placement.NomadSpread())
	// Output:
	// nomad-spread(cpu, memory)
	// n3 824797
	// n1 647924
	// n2 125226
}

// A quarter of the cores of n1 and an eighth of its memory are asked for, and all is free: (1/4 + 1/8)/2.
func ExampleDotProduct() {
	rank(placement.DotProduct())
	rank(placement.DotProduct("cpu", "memory").Per(16_000, 64<<30).Times(-1))
	// Output:
	// dot-product(cpu, memory)
	// n1 196608
	// n2 98304
	// n3 98304
	// -1 dot-product(cpu per 16000, memory per 68719476736)
	// n2 -24576
	// n1 -49152
	// n3 -98304
}

func ExampleTetris() {
	rank(placement.Tetris("cpu"))
	// Output:
	// tetris(cpu)
	// n1 262144
	// n2 131072
	// n3 131072
}

// Of n2 a quarter of the cores and three eighths of the memory are left: 5/16 in the mean.
func ExampleL1Norm() {
	rank(placement.L1Norm())
	// Output:
	// l1-norm(cpu, memory)
	// n2 -327680
	// n1 -851968
	// n3 -950272
}

// Counted in what the largest node has, n2 and n1 have less left than n3.
func ExampleTerm_Per() {
	rank(placement.L1Norm("cpu", "memory").Per(16_000, 64<<30))
	// Output:
	// l1-norm(cpu per 16000, memory per 68719476736)
	// n2 -163840
	// n1 -425984
	// n3 -950272
}

func ExampleTerm_Weights() {
	rank(placement.LeastAllocated("cpu", "memory").Weights(2, 1))
	fmt.Println(placement.LeastAllocated("cpu").Weights(2, 1).Err())
	// Output:
	// least-allocated(2 cpu, memory)
	// n3 89
	// n1 79
	// n2 29
	// placement: term "least-allocated(cpu)": weights: 2 for 1 resources
}

func ExampleL2Norm() {
	rank(placement.L2Norm())
	// Output:
	// l2-norm(cpu, memory)
	// n2 -106496
	// n1 -696320
	// n3 -862208
}

// No node is to keep fewer than 4 cores free: those that would are worse the more that is missing.
func ExampleOfAmounts() {
	rank(placement.OfAmounts("spare", func(free, capacity, request []int64) int64 {
		return min(free[0]-request[0]-4000, 0)
	}).Over("cpu"))
	// Output:
	// spare
	// n1 0
	// n3 0
	// n2 -2000
}
