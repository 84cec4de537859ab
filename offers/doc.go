// Package offers answers "out of what?" for two-level scheduling, as in Apache Mesos (Hindman et al.,
// "Mesos: A Platform for Fine-Grained Resource Sharing in the Data Center", NSDI 2011): an [Exchange]
// makes offers out of a source of capacity for many frameworks, in the order of an allocator, and a
// [Book] is the source of capacity that one framework was offered.
//
// A host subscribes its frameworks, calls [Exchange.Offer] whenever it wants a pass made (on a tick, or
// when the source has changed), and gives each framework's scheduler the framework's Book instead of the
// source itself. Frameworks that want to answer offers themselves use [Subscription.Offers],
// [Subscription.Accept] and [Subscription.Decline].
//
// # Offers
//
// An offer is a [berth.Hold] in the source, owned by the framework, with a deadline. While an exclusive
// one lasts, nobody else can have its room, not even a scheduler that works on the source itself; an
// optimistic one sets nothing aside, and whoever commits first has the room. Room that is offered or
// used is charged to the framework in the [Order]; a task or a hold that came into the source by another door, such as the host's
// own holds and the offers of another Exchange, is charged to its role. So what the clients in a role are charged is what the
// source's ledger says that the role has; a framework's tasks of a role below its own are charged to the framework. Both are
// credited when the room is free again, however that came about: the account follows the source. Offers, tasks and nodes are
// known by their IDs, and a task also by when it
// came: what returns under an ID is not what had it before.
//
// # One fault, one client
//
// What is odd about one tenant stops no other. A role too deep for the Order is charged to its deepest ancestor that
// is not. A sum of charges that is more than an int64 holds is not lost: what does not fit is charged as soon as
// somebody else's charge has ended, and meanwhile an offer is made as long as one of its resources can be charged in full.
// These two are no errors. A charge that the Order refuses for another reason is tried again, and a rule that panics keeps
// its own demand out of the pass: these two [Exchange.Offer] tells in its error, and makes everybody else's offers. If the Order, the clock or the source panics, the next call begins by comparing all
// that is known with the source.
//
// # Demand
//
// Before the first pass a framework has no offers, and a Book no room: all that a task is told there is that no node is
// offered to it. So it is for a framework that wants nothing.
//
// A framework that declares nothing is offered all that is free on a node, as in Mesos. One that says
// what it wants with [Subscription.Want] is offered no more than that, from nodes that can run it, in
// pieces of one task: whose turn it is is asked again after each, so that frameworks fill up as in the
// progressive filling of weighted DRF. A framework that wants nothing is offered nothing and costs
// nothing. A daemon group is offered its room on each node that lacks its instance, ahead of everybody's
// turn, but charged. Where the instance lacks nothing but room that others have, what is free of it there is offered to nobody else
// until it is enough, under exclusive leases; [KeptForDaemon] and [KeptForIt] say so.
//
// A gang is offered whole, as one grant, or not at all: see [Demand].
//
// # Which nodes
//
// Nodes are offered in the order of their IDs, unless a demand says in which order it would choose them: see [NodeOrder]. Nodes that have
// what few have, such as GPUs, are left to who asks for it: see [Config].Scarce. For demand that is too large for what is free anywhere, nodes
// are kept until it fits, if the host says how many may be: see [Config].Gather.
//
// # Terms
//
// A framework may have [Terms] of its own: how long its offers last, how many it may have unanswered, how much of the whole they may be,
// and of which nodes. [Config] has the least that is offered at all, and for how long nothing is offered to who lets offers end without a
// word. [Exchange.Rescind] takes offers back, and [Subscription.Ended] says how one ended that was not answered, and why.
//
// # Roles
//
// A framework takes part in one role, and in as many more as it joins: see [Subscription.Join]. It has a Subscription for each, and an offer is made in
// one of them, answered in it and charged to it. A framework that has gone for a while loses its offers and nothing else: see [Subscription.Disconnect].
//
// # Room that is asked back
//
// A host that wants room back by a time says so with [Exchange.Recall]: a node that is to be drained or maintained, or the tasks that
// scheduler.Reclaim proposes to end for a guarantee. The frameworks whose tasks it is about have an [InverseOffer] each and accept or decline it; what
// is left at the deadline is in [Exchange.Overdue].
//
// # Limits
//
// An offer counts against the limits of its framework's role and of the roles above, as any hold does, and a task that takes its place
// adds nothing to them. So no more is offered than the limits leave: what is free on a node is cut to that, resource by resource, and of a
// demand as many pieces are offered as tasks of its own role could be placed, with its offers counted as tasks. [Subscription.Over]
// says which limits keep offers back. A Book has the limits that bind its framework, and what counts against them, so that a
// scheduler on it sees what the source would refuse.
//
// What a framework is offered is held, and what it places is placed, in its name: the owner that is in [Offer] and in
// [cluster.TaskView], by which [cluster.Snapshot.UsedBy] tells what it has.
//
// # Why no offer came
//
// [Subscription.Why] tells at any time, from any goroutine, what keeps offers from a framework: what is about all nodes, such as that
// it is suppressed, wants nothing or is at a limit, or else how many nodes are kept from it by what, be it an offer to another, a filter of its own,
// or what its tasks lack there. [Subscription.WhyNode] tells of one node, and [Exchange.Why] of all frameworks of a role.
//
// # Concurrency
//
// An Exchange, its Subscriptions and its Books may be used by any number of goroutines; they take turns.
// They call the source meanwhile, so its hooks must not call them. No goroutine is started here: every call
// first ends the leases that have run out by the clock.
package offers
