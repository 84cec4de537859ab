// Package berth decides where work runs. A host program embeds it, tells it which nodes exist and what
// wants to run, and carries out the decisions. This package holds the words that all others share; the packages
// beside it each answer one question:
//
//	cluster      what is where  snapshots of a cluster, what-ifs, plans and outcomes, what fits where and why not
//	constraints  where not      rules about attributes, taints and domains
//	placement    where best     strategies, and the engine that finds the best node
//	allocator    whose turn     orders of roles: fair shares, priority, guarantees and others, over a tree of roles
//	offers       out of what    an Exchange that makes offers, and the Book of a framework
//	scheduler    do it          Source, State, Scheduler, and the loop around them
//
// # Words
//
// A [Node] is a machine with a capacity of [Resources], [Attributes], taints, devices and ports. A [Group]
// is what wants to run: tasks of one kind, their request, rules and preferences, charged to a [Role]. A
// [Task] is an ID and its group. A cluster.Snapshot is a cluster at one moment; a cluster.Fork of it is a what-if.
// A cluster.Plan is what a scheduler decided on a snapshot, a list of operations; committing it yields a cluster.Outcome,
// which says of each whether it was done or why not. A [Hold] is room set aside for an owner until a
// deadline; an offers.Offer is a hold made for a framework. A hold with the lease [Reserved] is a reservation: room for a role, without a
// deadline. [Revocable] names capacity that may be taken back at any time. A cluster.Explanation says why a task fits nowhere.
//
// What others call them (Plan is in package cluster, Offer and Framework are in package offers):
//
//	here        Kubernetes           Nomad               Mesos, Marathon       YARN and batch systems
//	Node        node                 node, client        agent, slave          node manager, host
//	Task        pod                  allocation          task, instance        container
//	Group       deployment, podgroup task group          app, job config       job, application
//	Role        namespace, quota     namespace           role                  queue, tenant
//	Attributes  labels               attributes, meta    attributes            node labels
//	Constraint  affinity, taint      constraint          constraint            placement constraint
//	DomainRule  topology spread,     distinct_property   UNIQUE, GROUP_BY      spread, affinity
//	            pod affinity                                                   to tags
//	Preference  preferred affinity   affinity, spread    -                     -
//	Daemon      DaemonSet            system job          (marathon#846)        -
//	Gang        pod group            all_at_once         pod                   gang, co-scheduling
//	Plan        binding              plan                accept                allocation
//	Hold        nomination           -                   outstanding offer     reserved container
//	Reserved    -                    -                   reservation           reservation
//	Revocable   BestEffort           -                   revocable resources   opportunistic
//	Offer       -                    -                   offer                 -
//	Assumed     assumed              pending             staging               allocated
//	Lost        unknown              lost, unknown       unreachable, lost     lost
//	Framework   scheduler            scheduler           framework             application master
//
// # What the host owes
//
//  1. It tells the source of every node that joins, changes or leaves, and of every task that ends.
//  2. It launches what a cluster.Outcome says was placed, and nothing else; what was refused or unplaced does
//     not run.
//  3. It confirms each task that runs and releases each that does not. Silence means what the source says
//     it means: a State keeps an assumed task for ever unless told how long, a Book for its lease.
//  4. After a restart it adopts what runs before it schedules anything. What a strategy has learned, as the default does where
//     nodes have devices, it hands on itself: scheduler.Config.Learned.
//  5. Task IDs are unique in a source and are not used again while the task is known. A name is one group's: see
//     Revisions.
//  6. Quantities of one resource are in one unit everywhere. What it hands in it does not change while
//     the call lasts; what berth hands out it does not change at all.
//  7. It alone evicts, heals an overcommitment, and decides what becomes of lost tasks and orphans. Until it
//     releases a lost task its ID is taken, that of a daemon's instance too. berth proposes.
//
// # Revisions
//
// A Group is immutable, but what it stands for changes: a service gets a new version, a new priority or a larger request. Its host
// then makes another Group of the same name, a revision, and gives that to the tasks that come. A group is known by its name, and its
// revisions live side by side as long as tasks of each exist; none is refused for what another says, and none is the newer
// to berth. What goes by which:
//
//	by the task's own spec       what it takes, its role, its priority, its rules and preferences, where it may go
//	by the name, all revisions   what the rules and scores of a group count, the tasks of a gang, the instances of a daemon
//
// A rule over a [Selector] sees each task by the labels of its own revision. So a service that is kept unique per host stays so
// while it is replaced, and a daemon has one instance on a node, of whichever revision. Tasks that must not count each other are
// of groups of two names. Of the revisions of a gang in one plan the greatest size counts.
//
//	what happens                      what the host does
//	a new version, one by one         cluster.Plan.Replace or scheduler.Scheduler.Replace, a task at a time, under its ID: the old one goes if the
//	                                  new one has a place
//	a new version, new ones first     schedules tasks of other IDs, and releases the old ones as those run
//	a task resized where it runs      Plan.Replace on its node, if there is to be room for it; scheduler.State.Readopt, if it is done already
//	a changed priority, role or rule  Readopt, with the new group: nothing moves, and from then on it counts so
//	a second revision of a daemon     replaces instances at its own pace, or releases them: the demand of the new revision fills the nodes.
//	                                  Coverage tells which instances are of another
//	a restart                         adopts what runs with the spec it runs with, as far as the host knows it
//
// The guide docs/revisions.md shows each.
//
// # The loop
//
//	state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
//	...
//	s, err := scheduler.New(state, scheduler.Config{})
//	...
//	for {
//		changed := state.Changed() // before the snapshot that Schedule takes
//		outcome, err := s.Schedule(ctx, pending...)
//		if err != nil {
//			return err
//		}
//		pending = pending[:0]
//		for _, p := range outcome.Placed {
//			if launch(p.Task, p.Node) == nil {
//				err = state.Confirm(p.Task.ID)
//			} else {
//				err = state.Release(p.Task.ID)
//				pending = append(pending, p.Task)
//			}
//			...
//		}
//		for _, u := range outcome.Unplaced {
//			log.Print(u) // 0/2 nodes for web-3: 2 unique(zone); nearest n1: ...
//			if u.Task.Group.Mode() != berth.Daemon {
//				pending = append(pending, u.Task)
//			}
//		}
//		for _, r := range outcome.Refused { // by admission, or since others had the room first
//			log.Print(r)
//			pending = append(pending, r.Op.Task)
//		}
//		pending = append(pending, daemons...) // what their Everywhere returns: for nodes that join, and for instances that ended
//		select {
//		case <-changed:
//		case t := <-arrivals:
//			pending = append(pending, t)
//		case <-ctx.Done():
//			return context.Cause(ctx)
//		}
//	}
//
// A task whose launch failed should wait a little before it is tried again: the Release that gives its room back is a change as
// well. scheduler.Run is this loop, with that and what else it takes, for a host that brings an inventory of nodes and a
// launcher of tasks.
//
// # What holds
//
// Equal inputs give equal plans, on any machine, whatever the order in which nodes were added. No commit
// creates or worsens an overcommitment or breaks a rule. Every task handed in is placed, refused or
// unplaced, and the last two with the reason; a daemon's demand has an entry for each eligible node that lacks its instance, or,
// where no node suits it, one of its own. Faulty input is an error that names the thing and every fault
// of it, and leaves the state as it was.
package berth
