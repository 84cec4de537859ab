// Package extendertest plays kube-scheduler, and the API server behind it, against the http.Handler of a scheduler extender:
//
//	func TestExtender(t *testing.T) {
//		extendertest.Run(t, extendertest.Config{New: func(api *extendertest.API) (extendertest.Extender, error) {
//			e := mine.New(api.Bind)
//			return extendertest.Extender{Handler: e, Tell: e.See}, nil
//		}})
//	}
//
// Each scenario is a test of its own, on a cluster of its own:
//
//	order        filter, prioritize and bind of one pod after another until the cluster is full; what is left is unschedulable, with reasons
//	repeats      the same calls several times, prioritize out of turn, filter with one node alone
//	abandoned    pods that are asked about and never bound, as kube-scheduler's dry runs do: they take no room for ever
//	lag          the watch is late: what was bound and not yet seen counts all the same
//	lost         Bindings that are done and whose answer is lost, or that are lost themselves, each followed by a retry
//	deleted      pods that are deleted between filter and bind, and while they are bound
//	recreated    another pod of the same name
//	restart      the extender is a new one between filter and bind
//	two          two schedulers at once, with the same pods
//	hostile      bodies that are no JSON, of wrong types, deep, huge, slow or absent, wrong verbs and methods, nodes and pods that nobody knows
//	preempt      victims: what is agreed to is not refused afterwards, and names come back as they were sent
//
// In all of them the API server watches that no node gets more than it has, and the scheduler that every answer keeps to the protocol: names that
// were asked about, each once, scores from 0 to 10, a reason for every node where none is left, reasons that can be read.
//
// A fault is a text that begins with the name of its scenario. [Check] returns them; [Run] fails a test with them. Both are deterministic but for
// the scenario "two", which is a race on purpose, best run under the race detector.
//
// The protocol is that of kube-scheduler 1.37: package k8s.io/kube-scheduler/extender/v1, with nodeCacheCapable: true.
package extendertest
