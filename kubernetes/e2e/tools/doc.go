// Package tools pins what the end to end tests start: etcd, kube-apiserver and kube-scheduler, built from Go modules.
//
//	go tool -n k8s.io/kubernetes/cmd/kube-apiserver
//
// builds one and prints where it is. The first time that takes minutes (kube-apiserver 20 of a core), then a second. They are a module of their own, so that
// nothing that berth requires makes them be built anew.
package tools
