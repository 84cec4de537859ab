// Package e2e holds the end to end tests of berth's extender: a real etcd, kube-apiserver and kube-scheduler, started as processes of their own,
// nodes and pods made by client-go, and pods bound through the extender. There are no kubelets: a pod that is bound has
// arrived.
//
//	go test .                 some minutes; the first time the three programs are built, see package tools
//	go test . -figures 1000   pods a second with no extender, an empty one, and berth's, on so many nodes
//
// Where the three cannot be built or started the tests are skipped, with the reason.
package e2e
