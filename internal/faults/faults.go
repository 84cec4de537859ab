// Package faults finds what is wrong with what a host hands in: it tells values that are not there, and names the thing at
// fault on every line of an error that joins several.
package faults

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// IsNil reports whether an interface holds nothing to call: no value at all, or a pointer or function that is nil. A list or a
// map that is nil is an empty one.
func IsNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return r.IsNil()
	}
	return false
}

// Of returns an error behind the name of what is at fault: each fault on a line of its own, and every line with the
// name. It returns nil for nil.
func Of(whose string, err error) error {
	each := split(err)
	for i := range each {
		each[i] = fmt.Errorf("%s: %w", whose, each[i])
	}
	if len(each) == 1 {
		return each[0]
	}
	return errors.Join(each...)
}

// split returns the faults that are joined in an error, also behind a name that somebody gave all of them together.
func split(err error) []error {
	if err == nil {
		return nil
	}
	var out []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, split(e)...)
		}
		return out
	}
	inner := errors.Unwrap(err)
	each := split(inner)
	if len(each) < 2 {
		return []error{err}
	}
	whose, behind := strings.CutSuffix(err.Error(), inner.Error())
	if !behind {
		return []error{err}
	}
	for _, e := range each {
		out = append(out, fmt.Errorf("%s%w", whose, e))
	}
	return out
}

// NoText is the error of a MarshalText for what has no exported fields and no text form, and says what to write instead. An
// encoder would else write "{}", and nobody would know before it is to be read.
func NoText(whose, instead string) error {
	return errors.New(whose + ": it has no text form; " + instead)
}

// Drop calls a function whose panics matter to nobody but the host that wrote it, and drops them.
func Drop(f func()) {
	defer func() { _ = recover() }()
	f()
}
