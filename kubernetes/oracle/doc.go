// Package oracle has no code of its own. Its tests hold what package adapter makes of nodes and pods against the plugins of
// kube-scheduler, which run in the same process: whatever they say of a pod and a node, berth says too. It is a module by itself because
// it needs the whole of Kubernetes to be built.
package oracle
