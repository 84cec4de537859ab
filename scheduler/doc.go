// Package scheduler does it: it takes a snapshot of a [Source], plans where tasks go, and commits the plan.
//
// A [State] is the source that knows everything: the nodes and tasks of a cluster, as its host tells it.
// A Book of package offers is the source that knows what one framework was offered. A [Scheduler] works on
// either. [Run] is the loop around both for a host that supplies an [Inventory] of nodes and a [Launcher] of tasks, and
// wants the rest done. All that the author of such a host needs is said at Run, [RunConfig] and [Queue], at those two
// interfaces and what they tell ([NodeEvent], [TaskEvent], [Placement]), and at [Event]; the example of Run is a whole host.
package scheduler
