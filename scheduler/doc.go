// Package scheduler does it: it takes a snapshot of a [Source], plans where tasks go, and commits the plan.
//
// A [State] is the source that knows everything: the nodes and tasks of a cluster, as its host tells it.
// A Book of package offers is the source that knows what one framework was offered. A [Scheduler] works on
// either. [Run] is the loop around both for a host that supplies an [Inventory] of nodes and a [Launcher] of tasks, and
// wants the rest done. All that the author of such a host needs is said at Run, [RunConfig] and [Queue], at those two
// interfaces and what they tell ([NodeEvent], [TaskEvent], [Placement]), and at [Event]; the example of Run is a whole host.
// [RunFramework] is the same loop for a tenant that works out of offers.
//
// # What a Scheduler is asked
//
//	Schedule, ScheduleWhole   place tasks; tasks of several groups, all or none
//	Plan, PlanWhole           the same on a snapshot, without doing it
//	Replace, Roll             exchange tasks for a new revision, one by one; a daemon, step by step
//	Reclaim                   whom to end so that a role gets what is guaranteed to it
//	Revoke                    whom to end where less may be lent than is in use
//	Candidates                which nodes could take a task, best first, and why not the others
//	Coverage                  where a daemon runs, and why not on the other nodes
//	WhyRole                   why a role has no more than it has
//
// Reclaim, Revoke, and [Surplus], which says which tasks of a group go when there are to be fewer, propose and end nothing: what they return is the
// host's to carry out.
//
// # What is kept
//
// Every change of a State is a [Command]. A [Log] keeps commands in a file, a [Codec] writes them and checkpoints of the whole State, and both
// together bring a State back after a crash.
package scheduler
