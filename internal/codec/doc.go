// Package codec writes berth's words down, and reads them: the bytes in which package scheduler keeps commands and
// checkpoints. Equal words give equal bytes, and bytes that are read were written so: what stands in a map is in
// order, no number is longer than it must be, and nothing is left over.
//
// A number is a base-128 varint, a signed one zigzag-coded before; a text is its length and its bytes, a list its length
// and its elements. What a rule is, its text says: see berth.Constraint.
package codec
