// Package allocator answers "whose turn is it?" by weighted Dominant Resource Fairness (Ghodsi et
// al., "Dominant Resource Fairness: Fair Allocation of Multiple Resource Types", NSDI 2011).
//
// The dominant share of a client is the largest of its fractions of the capacity, over all
// resources: who holds 2 of 9 CPUs and 8 of 18 GB has 4/9, and memory is its dominant resource. The
// next grant goes to the client with the lowest dominant share. A [DRF] only keeps that account; the
// host decides what to grant, and tells it with [DRF.Charge] and [DRF.Credit].
//
// # Roles
//
// Roles form a tree ("eng/search" is below "eng"), and whoever holds something holds it for every
// role above. Each level is shared out among siblings: the lowest weighted share comes first, and
// with it all of its subtree, so the order of clients is the tree in pre-order. The clients of one
// role, and the roles below it, are on different levels: the clients together compete, at
// [DefaultWeight], with the roles below (Apache Mesos does the same with its virtual leaf "eng/.").
// A host without roles uses clients with a name alone; a host with one queue per role uses clients
// with a role alone.
//
// # Order
//
// Siblings are ordered by dominant share over weight; equal shares by the number of charges ever
// made, fewest first; equal counts by name. The count is never taken back, so clients that return
// what they are given take turns, as in Mesos, instead of the first name winning for ever. It belongs
// to the life of a DRF: a host that must rebuild the same order after a restart replays the charges
// and credits, not only what is held at the end.
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
// resource of which there is none is not considered, nor is one excluded by [Config]. A share above
// one is no error: capacity may shrink under what is held. A GPU or another device counts like any
// resource, by the name and amount the host charges for it.
package allocator
