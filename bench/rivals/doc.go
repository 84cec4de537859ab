// Package rivals places the same tasks on the same nodes with berth and with the schedulers of other systems, in one process and in
// the same minutes, and compares how many decisions a second they make, what memory they take, and how good the placements are.
//
// The rivals are their own code, from their own modules: the scheduler of SwarmKit on its in-memory store, and the scheduler of
// Kubernetes with its default plugins, once as it comes, which rates a sample of the nodes, and once rating them all.
//
// # What is counted
//
// Every scheduler is given its nodes before the clock runs, and the tasks as the objects that it takes. From then on:
//
//   - berth: a Schedule call with all tasks on a new Scheduler, its indexes included, and the commit; or a call for each task.
//   - SwarmKit: its Run loop, from the start until its store has the last assignment. It decides on the tasks of a service together.
//   - Kubernetes: for each pod an update of the snapshot, the scheduling algorithm with all filters and scores, and the pod assumed in the
//     cache. There is no queue, no API server, no binding: a real cluster is slower.
//
// Which group went to which node is noted by name, and looked up when the clock has stopped. A scheduler whose runs are short is loaded and run several times, and
// the run of median time counts, so that one pause of a busy machine does not.
//
// A scheduler that has no words for a case is left out of it. A case of berth and its rivals is one problem, but not one policy: what fit
// means is each one's own default, and the table shows how many nodes it took.
//
// # Another rival
//
// Whoever implements [Scheduler] and [Instance] is compared by [Run] like the others.
package rivals
