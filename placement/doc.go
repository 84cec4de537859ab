// Package placement says where best: of the nodes that can take a task, which one.
//
// A [Strategy] rates a node for a task; a [Picker] finds the node with the best rating, task after task,
// for the whole of a plan. What a node can take is not asked here: that is room, and the rules of package
// constraints, and both are settled before a strategy sees the node. Nor is a source needed: a picker works on
// any [cluster.Snapshot], also on one of a fork. Package scheduler drives a picker and commits what it picked.
//
// # Strategies
//
//	BinPack        best fit: the mean of the parts in use, the fullest first. MostAllocated in Kubernetes'
//	               NodeResourcesFit, the cpu-memory packer in Netflix's Fenzo, over every resource
//	Spread         without attributes, worst fit: LeastAllocated in Kubernetes. With attributes, the fewest of
//	               the group's tasks in the node's domain first: topology spread with ScheduleAnyway in
//	               Kubernetes, the spread strategy over spread preferences in SwarmKit
//	FirstFit       the first node in the order of IDs: first fit of the bin-packing literature (Johnson 1973)
//	Random         any node, by rendezvous hashing (Thaler and Ravishankar 1998): stable and without state
//	Func           whatever a function says
//
// A score is an int64, and higher is better. The strategies of this package count in units of
// 1/[Resolution], 2^20 to the whole: a node's part in use is floor(used x 2^20 / capacity), in 128 bits where
// 64 would not do, so scores are the same on every machine. Scores of different strategies have nothing to do
// with each other.
//
// # How a choice is made
//
// Among the nodes that can take the task, the choice falls on
//
//  1. those with the greatest sum of the weights of the group's preferences, so that packing never drowns a
//     preference; taints that merely discourage count as one against;
//  2. of these, those with the highest score;
//  3. of these, the one with the lowest ID.
//
// Each choice sees those made before it in the same plan. No order of maps, goroutines or insertion, no clock and no
// global randomness enters into it: the same snapshot and the same tasks give the same choices.
//
// # What a declaration buys
//
// [Exhaustive] asks about every node for every task. [Engine] makes the same choices and asks about few, as
// far as the strategy declares in its [Dependence] what its score looks at. A declaration that does not
// hold makes the engine choose otherwise than the reference; comparing the two in a test shows it.
//
//	nothing                   every node that fits is rated for every task, out of dense columns: O(nodes) for
//	                          each, with a small constant, by as many goroutines as may run. Always right.
//	                          1,200 choices a second
//	Shape                     nodes are ranked once for each request and the ranking is kept: a choice costs what
//	                          has changed since the last for the same request, O(log nodes) for each change. 69,000
//	Shape, Additive           nodes of one kind are kept in one order for every request: a choice looks at the
//	                          front of a few orders and passes by blocks of nodes without room. 1,580,000
//	Domains                   the tasks of the group are counted by domain, as the plan goes, and handed to Score in
//	                          Tasks; every node is still rated. 950
//	Domains, Fewest, Additive as with Additive, the nodes of the domains with the fewest tasks first. 690,000
//
// The figures are of best fit, alone and after spreading over zones and nodes, for groups of 50 on 10,000 nodes and one core
// (go test ./placement -bench Declared); the exhaustive picker makes 30 choices a second there.
//
// A strategy of a host's own is a type with the four methods of Strategy; see the example of it. The simplest is
// a Func, and what is worth declaring is found out by measuring.
//
// # Concurrency
//
// Strategies are immutable and may be used by many goroutines at once. A Picker is for one goroutine; any
// number of pickers may work on one snapshot. Where an Engine rates thousands of nodes for one choice, it splits them
// over as many goroutines as GOMAXPROCS lets run, so that Score may be called from several at once; the choice is the
// same with any number of them, and they have ended when the call returns. An Engine keeps indexes from plan to
// plan, so one engine should be used again and again rather than made anew, and for snapshots of one source: those of
// another are answered alike, but its indexes begin anew.
//
// ENGINE.md, beside this file, says how the engine works, what was measured and what it costs.
package placement
