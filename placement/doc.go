// Package placement says where best: of the nodes that can take a task, which one.
//
// A [Strategy] says which of two nodes is better; a [Picker] finds the best node of all, task after task,
// for the whole of a plan. What a node can take is not asked here: that is room, and the rules of package
// constraints, and both are settled before a strategy sees the node. Nor is a source needed: a picker works on
// any [cluster.Snapshot], also on one of a fork. Package scheduler drives a picker and commits what it picked.
//
// # Strategies
//
//	BinPack        best fit: the mean of the parts in use, the fullest first. MostAllocated in Kubernetes'
//	               NodeResourcesFit, the cpu-memory packer in Netflix's Fenzo, over the resources named or all
//	Spread         without attributes, worst fit: LeastAllocated in Kubernetes. With attributes, the fewest of
//	               the group's tasks in the node's domain first: topology spread with ScheduleAnyway in
//	               Kubernetes, the spread strategy over spread preferences in SwarmKit
//	FirstFit       the first node in the order of IDs: first fit of the bin-packing literature (Johnson 1973)
//	Random         any node, by rendezvous hashing (Thaler and Ravishankar 1998): stable and without state
//	FGD            fragmentation gradient descent (Weng et al., USENIX ATC 2023), as published but for equal devices
//	RoomLoss       least loss of the room that tasks to come could use of devices, cores and memory
//	PricedGaps     RoomLoss, and the worth of the gaps that are left on devices: the best here where tasks have shares of devices
//	Best           whatever a list of terms says
//
// [Suited] chooses by what a cluster is: PricedGaps where nodes have devices, and else BinPack over what is scarce.
//
// The share of all GPUs that each gets in use on the openb trace, at 100 and 130 % of them asked for, in the experiment of FGD's authors:
// BinPack over all resources 91.5 and 91.8, FGD 95.2 and 95.4, RoomLoss 95.8 and 95.9, PricedGaps 96.3 and 96.3. The last two learned the mix on the way.
//
// Scores of other systems are terms, so that they add up with weights, stand in tiers and have a text:
//
//	LeastAllocated, MostAllocated, RequestedToCapacityRatio    NodeResourcesFit of Kubernetes, from 0 to 100, rounded as there
//	BalancedAllocation                                         NodeResourcesBalancedAllocation of Kubernetes, likewise
//	NomadBinPack, NomadSpread                                  Nomad's scheduler algorithms "binpack" and "spread"
//	DotProduct, L1Norm, L2Norm                                 vector bin packing: greatest or least product, least left
//	Tetris                                                     the alignment score of Tetris
//	GpuPacking, GpuClustering                                  those of the FGD study: used GPUs before idle ones, and tasks alike together
//
// Which strategy when, and what it does on a cluster of GPUs: the 1,213 nodes of the openb trace (Weng et al., USENIX ATC 2023) with tasks for
// 130 % of the GPUs, in random order, none of which ends; the percentage of the GPUs that is in use once tasks for 100 % and for all
// 130 % have been tried, the mean of three orders, and how many of the 66 tasks of 8 GPUs were refused. The last column is the default list at 130 % and
// at 100 % the list where a third of the tasks name models.
//
//	                                                            100 %   130 %  refused   models named
//	BinPack(ShortOf(...)...)   a resource is scarce             94.39   94.60       17   80.70
//	FirstFit, or Best()        anything that fits will do;      94.27   94.48       17   93.69
//	                           tasks that name models
//	L2Norm, L1Norm with Per    several are scarce, and nodes    92.94   93.17       18   80.69
//	                           differ in size
//	NomadBinPack("cpu", "gpu") as in Nomad, by what is scarce   92.56   92.79       18   80.72
//	BinPack()                  no resource is scarcer           91.63   91.87       19   80.93
//	GpuPacking                 as in the FGD study              91.16   91.40       20   82.11
//	MostAllocated, likewise    as in Kubernetes                 90.03   90.27       20   80.23
//	LeastAllocated()           tasks need air, no big ones      92.86   93.87       52   83.47
//	Spread()                   likewise, and finer              92.98   94.50       61   87.65
//	Tetris                     the host chooses whose turn      90.82   92.57       50   78.72
//	                           it is by the same score
//	Random                     to compare with                  87.09   87.92       39   83.64
//
// What spreads has much in use in the end because it refuses what is large and fills up with what is small: never
// judge by what is in use alone. A strategy over resources that are not scarce packs by the wrong thing: over cpu and memory
// MostAllocated has 88.72 and NomadBinPack 85.95 at 100 %. Of two nodes that are drawn ([Strategy.BestOf]) the better one by BinPack("cpu", "gpu") has
// 90.21, of ten 93.16, of all 92.40: nodes that are equal but for a little are better left to chance.
//
// A strategy is a list of tiers, compared in order, and a tier is a weighted sum of [Term]s:
//
//	Best(InUse("cpu", "gpu"))                                       pack by what is scarce
//	Best(Tasks("zone").Times(-1)).Then(InUse())                     even over zones, then pack
//	Best(Targets("dc", map[any]int{"a": 80, "b": 20})).Then(InUse())    four of five in one data centre, then pack
//	Best(InUse(), Tasks("rack").Times(-Resolution/10))              a task in the rack is as bad as a tenth in use is good
//	Best(Prefer(constraints.Exists("ssd")).Times(5), cost)          a rule made soft, and a term of one's own
//	Best(InUse(), Preferences().Times(Resolution/4))                what the group prefers, as one thing among others
//	Best(LeastAllocated(), BalancedAllocation())                    Kubernetes' default scores of resources
//	Best(Change("room", worth)).Within(100).Then(InUse())           what placing does to the node, within a tolerance
//
// What a term says is an int64, and higher is better. The terms of this package count in units of
// 1/[Resolution], 2^20 to the whole: a node's part in use is floor(used x 2^20 / capacity), in 128 bits where
// 64 would not do, so scores are the same on every machine. Terms are clamped to the range that they declare, and a
// strategy whose sums could overflow is at fault: nothing saturates.
//
// # How a choice is made
//
// Among the nodes that can take the task, the choice falls on
//
//  1. those with the greatest sum of the weights of the group's preferences, unless the strategy gives [Preferences] another
//     place, so that packing never drowns a preference; taints that merely discourage count as one against;
//  2. of these, those that the tiers leave, one after another: of each those with the greatest sum, or within its tolerance
//     of that;
//  3. of these, the one whose ID has the lowest hash under a seed, or, if the strategy says so, the lowest ID.
//
// Each choice sees those made before it in the same plan. No order of maps, goroutines or insertion, no clock and no
// global randomness enters into it: the same snapshot and the same tasks give the same choices. [Engine.Score] tells how a
// node is rated, term by term.
//
// # What a declaration buys
//
// [Exhaustive] asks about every node for every task. [Engine] makes the same choices and asks about few, as
// far as the terms declare by how they are made what they look at. A declaration that does not
// hold makes the engine choose otherwise than the reference; comparing the two in a test shows it.
//
//	Func                  every node that fits is rated for every task, out of dense columns: O(nodes) for each, with a small
//	                      constant, by as many goroutines as may run. Always right
//	OfAmounts, OfState,   nodes are ranked once for each request and the ranking is kept: a choice costs what
//	Change                has changed since the last for the same request, O(log nodes) for each change
//	Additive, InUse       nodes of one kind are kept in one order for every request: a choice looks at the
//	                      front of a few orders and passes by blocks of nodes without room
//	Class, Tasks, Prefer, beside these: a constant of the kind of node, or of the domain at the moment
//	Preferences
//
// A strategy of a host's own is a list of terms; see the example of [Best]. What is worth declaring is found out by measuring.
//
// # Concurrency
//
// Strategies and terms are immutable and may be used by many goroutines at once. A Picker is for one goroutine; any
// number of pickers may work on one snapshot. Where an Engine rates thousands of nodes for one choice, it splits them
// over as many goroutines as GOMAXPROCS lets run, so that the function of a term may be called from several at once; the choice is the
// same with any number of them, and they have ended when the call returns. An Engine keeps indexes from plan to
// plan, so one engine should be used again and again rather than made anew, and for snapshots of one source: those of
// another are answered alike, but its indexes begin anew.
//
// ENGINE.md, beside this file, says how the engine works, what was measured and what it costs.
package placement
