// Package adapter turns objects of Kubernetes into the words of berth: nodes into berth.Node, pods into tasks of groups whose rules say
// what the pods ask of nodes and of each other. It is pure: it keeps nothing, and asks nobody.
//
// What berth has no words for is returned as a list of [Unsaid], and never dropped in silence: with each comes what is done instead, so
// that an operator sees whether a pod may land where kube-scheduler would not have put it.
//
//	Node              berth.Node
//	allocatable       capacity, of cpu in thousandths and of everything else as it is; "pods" too
//	labels            attributes, as text
//	taints            taints; spec.unschedulable is the taint that Kubernetes gives it besides
//
//	Pod               berth.Task of a berth.Group, with the pod's UID as ID
//	owner             the group's name: namespace/kind/name, so that revisions of a workload are revisions of one group
//	requests          what a task takes: containers, init containers and sidecars, overhead, resizes, and one of "pods"
//	nodeSelector      rules about attributes
//	node affinity     an Or of Ands of such rules, matchFields included; preferences with their weights
//	tolerations       tolerations
//	pod affinity      rules near and apart, which count tasks by the labels of their groups
//	topology spread   rules that keep tasks even over domains
//	host ports        ports
//	priority          priority
//
// What is preferred is a preference, with the weight it has; a spread that may be broken weighs 50. It holds on a node or does not, where
// the scores of Kubernetes grow with the number of pods.
//
// Labels of pods are labels of groups, and so is the namespace, under the key [NamespaceLabel].
package adapter
