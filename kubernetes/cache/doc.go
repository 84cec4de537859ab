// Package cache keeps a [scheduler.State] in step with a Kubernetes cluster: nodes and pods go in as objects, and what a scheduler asks
// about comes out in berth's words. It is what every scheduler extender needs and writes again.
//
// A [Cache] is fed by its methods SetNode, SetPod and the like, one object at a time, in whatever order they come; [Watch] feeds it from
// an API server. It asks nobody, and has no goroutines. Each call takes effect as a whole, under one lock that is never held while
// something is waited for.
//
// # What becomes of a pod
//
//	the object says                                    here                                in the State
//	no node                                            Pending                             nothing
//	no node, and Hold chose one                        Held, until a deadline              assumed
//	no node, and its Binding is on the way             Posted, until Settle                assumed, without a deadline
//	a node that is known                               Bound                               running; as it is, whether there is room or not
//	a node that is not known                           Homeless, until the node comes      nothing
//	a node, and a time of deletion                     Stopping: it still has its room     stopping
//	no node, and a time of deletion                    Pending, and takes no lease         nothing
//	the phase Succeeded or Failed                      nothing is known of it              nothing
//
// A pod that was bound elsewhere than it was held, or resized where it runs, moves in one step: at no moment is its room twice or not at
// all counted. A node that goes leaves its pods homeless. A pod's devices and ports are those that its annotation [adapter.GrantAnnotation]
// tells, so that a new process knows what the one before it has given out; nothing else is written down anywhere.
//
// # Leases
//
// What [Cache.Hold] chose is held as an assumed task, which rules count like any other: two pods that keep apart do not both get a
// node. It lasts until its deadline, is renewed by holding again, and is one for each UID, however often it is asked for.
// [Cache.Post] says that the Binding is about to be sent, and [Cache.Settle] what became of it. Where that is not known, the lease stays
// until the pod is seen: [Cache.Doubtful] names those to look at.
package cache
