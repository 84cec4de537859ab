// Package fit says whether a node can take a task of a group, why not, and which devices and ports the task would get: of
// one node, given what is free of it. What depends on other nodes, or on where other tasks are, is package checked's.
package fit
