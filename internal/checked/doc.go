// Package checked is a store that checks what it is told to do, so that nothing done to it overcommits a node or breaks a
// rule. Hosts see it as cluster.Fork, which has the same words and says what they mean; berth's own packages besides put it over
// a store that they keep, and tell it what a picker has checked already.
package checked
