// Package extender lets kube-scheduler ask berth: an http.Handler for the verbs of its scheduler extender protocol.
//
//	c, err := cache.New(cache.Config{})
//	go cache.Watch(ctx, c, clientset, cache.WatchConfig{})
//	e, err := extender.New(extender.Config{Cache: c, Client: extender.NewClient(clientset, recorder)})
//	go e.Run(ctx)
//	http.ListenAndServeTLS(":8443", "tls.crt", "tls.key", e)
//
// # Verbs
//
// filter says which nodes can take a pod, prioritize how good they are from 0 to 10, bind places the pod, and preempt says where
// evicting pods would help. Requests name nodes (nodeCacheCapable: true); what berth knows of them it has from the cache. In mode
// [Advise] filter names all nodes that can take the pod; in mode [Decide] the best one, which is held for the pod until its Binding.
//
// filter and preempt remember nothing that a later answer depends on, but for what Decide holds: kube-scheduler asks filter for pods that it
// only tries out, and what Decide holds for members of a gang is given back once it shows that the gang was given up. Answers about all nodes are
// kept for pods that are alike, and brought up to date from the nodes that have changed. prioritize may be answered out of the ranking that filter has just made, which is the same as long as the
// cluster is.
//
// # What is told
//
// Why a node cannot take a pod is told in FailedAndUnresolvableNodes, in berth's words and without numbers, so that kube-scheduler's event
// counts nodes by it: "0/20 nodes are available: 12 insufficient cpu, 8 untolerated taint dedicated=ci". It stands in FailedNodes, which
// invites kube-scheduler to evict pods, for one node alone: that to which the pod was nominated, where pods are on their way out. For
// any other it would be an invitation to nothing: kube-scheduler asks only about nodes that its own plugins let the pod on, so its
// preemption finds that nobody has to go, fails at that, and tries again without a pause.
//
// # Bindings
//
// bind checks again that the node can take the pod, says so to the cache, and posts the Binding, with the devices and ports that the pod
// has in the annotation [adapter.GrantAnnotation]:
//
//	the API server says            bind answers      what is held
//	created                        ok                becomes the pod's
//	conflict, bound to that node   ok                becomes the pod's
//	conflict, bound elsewhere      an error          moves there
//	conflict, being deleted        an error          is given back
//	another refusal                an error          is given back
//	nothing in time, or a fault    an error          stays, until the pod is seen bound or gone, or Config.DoubtFor is over
//
// A request that is repeated while the first is under way waits for the answer of the first.
//
// # Metrics
//
// berth_extender_request_seconds, a histogram by verb and result, and of the cache: berth_cache_nodes, _pods, _leases, _doubtful,
// _problems, _silent_seconds and _ready.
package extender
