// Package allocator answers "whose turn is it?" by weighted Dominant Resource Fairness (Ghodsi et
// al., "Dominant Resource Fairness: Fair Allocation of Multiple Resource Types", NSDI 2011).
//
// The dominant share of a client is the largest of its fractions of the capacity, over all
// resources: a client that holds 2 of 9 CPUs and 8 of 18 GB has 4/9, and memory is its dominant resource.
// The next grant goes to the client with the lowest dominant share. A [DRF] keeps the account and the
// order; the host decides what to grant, and reports it with [DRF.Charge] and [DRF.Credit]. A loop of
// [DRF.Next] and Charge is the paper's progressive filling (its algorithm 1).
//
// Where one scheduler places the tasks of all roles, an [Order] is asked while it plans: [Fair] is the same rule as a function of
// the ledger of a snapshot, [Priority] puts some roles before others, and a host may write its own. See Config.Order of package
// scheduler. A DRF, whose account outlives a plan, is for hosts that make grants themselves, and for package offers.
//
// Other rules than shares are policies, which order the siblings at one level of the tree of roles, each level by its own if need be: see
// [Policy]. A [Tree] of them is an Order, and a [Queue] of a Tree is for package offers.
//
//	ByShare     weighted dominant resource fairness, exactly; with Tree.Hierarchical, rescaled level by level
//	ByNeed      those with less than is guaranteed to them
//	ByPriority  the higher number
//	ByArrival   who came first
//	ByLottery   by lot, with chances by weight
//	ByUsage     who has used least of late
//
// # Roles
//
// Roles form a tree ("eng/search" is below "eng"), and what a client holds is held by every role above it
// too. The siblings at each level are ordered by weighted share, lowest first, and a role brings everything
// below it along: the order of clients is the tree in pre-order. The clients of a role stand together as one
// sibling of the roles below it, at [DefaultWeight] (the virtual leaf "eng/." of Apache Mesos). A host
// without roles uses clients with a name alone; a host with one queue per role uses clients with a role
// alone. A role has at most 100 segments.
//
// A role's share is that of what everybody below it holds together, as in Mesos. Hierarchical DRF
// (Bhattacharya et al., "Hierarchical Scheduling for Diverse Datacenter Workloads", SoCC 2013) rescales
// what children hold before it adds them up, so that a role whose siblings want different resources is not
// passed over; that is Tree.Hierarchical.
//
// # Order
//
// Siblings are ordered by dominant share over weight (section 4.3 of the paper, with one weight for all
// resources); equal shares by the number of charges ever made, fewest first; equal counts by name. A credit
// does not lower the count, so clients that return what they are given take turns, as in Mesos, instead
// of the first name winning for ever. The count belongs to the life of a DRF: a host that must rebuild the
// same order after a restart replays the charges and credits, not only what is held at the end.
//
// The paper leaves ties open. In its example only the first turn is a tie, which the name decides: the
// turns are A, B, A, B, A where its table, starting with B, has B, A, A, B, A. Both end alike.
//
// Shares are compared exactly, as fractions of integers. Mesos divides in float64, where 0.15/3 is
// less than 0.05: there a subtree of weight 3 that holds 15 % comes before a client that holds 5 %.
// Here the two are equal, and count and name decide.
//
// # What counts
//
// Everything charged counts against the capacity of the whole cluster, at each level of the tree. A
// resource without capacity does not count, nor does one that [Config] excludes. A share may exceed
// one, because capacity may shrink under what is held. A GPU or another device counts like any resource,
// by the name and amount the host charges for it. Amounts are in the host's units, the same for capacity
// and charges.
//
// Each amount handed in is an int64, but sums are kept in 128 bits: a thousand nodes can each have
// [math.MaxInt64] of a resource that they do not limit, and clients can together hold more than an int64. No
// call fails because of how much others hold.
package allocator
