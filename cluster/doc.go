// Package cluster says what is where: the nodes of a cluster, what runs on them and what is held, at one moment or as a
// what-if.
//
// A [Snapshot] is a cluster at one moment. It is immutable, may be read by any number of goroutines, and costs the same to
// take whatever the size of the cluster, since it shares its pages with the cluster that goes on. A [Fork] of it is a cluster
// that one goroutine can change: place and end tasks, hold room, add and remove nodes, and read the answer. A fork checks what it is
// told to do, so nothing done to it overcommits a node or breaks a rule, and what was done can become a plan for the source that
// the snapshot came from ([Fork.Plan]). The truth behind a scheduler's State is a Fork too, so a what-if and the real
// thing are checked by the same code.
//
// # What fits where, and why not
//
//	Eligible, Ineligible   whether a group may ever go on a node, by rules and taints alone
//	Fork.Fits              whether a task of it could be placed on a node now
//	Fork.Lacks             every reason why not, with what is missing
//	Fork.Check             everything that a node is asked, what holds too, as a tree
//	Fork.Explain           the same summed up over all nodes, with the node that came closest
//	Fork.Diagnose          every node by all that it fails by, those that fail alike together
//	Choose                 which devices and ports a task would get
//
// [Fork.Fits] is what [Fork.Apply] checks: a placement that fits is done. These look at one node at a time and take no
// shortcut; the nodes that they are asked about are this fork's own. Package placement finds the best node among many without asking all of them.
//
// # What is to be done, and what became of it
//
// A [Plan] is a list of operations decided on a snapshot of a source, some of which stand or fall together, and the tasks that found no
// node, each with why ([Unplaced]). The source that carries it out returns an [Outcome]: what was done, and each [Refusal].
//
// # Costs
//
// Taking a snapshot and forking it: about a microsecond at 100,000 nodes. The first change of a page after a snapshot copies the
// page, some hundred bytes. Looking up a node or a task by its ID: a hash table. Walks are in the order of node IDs, or,
// for the tasks of a group and for holds, in the order in which they came.
package cluster
