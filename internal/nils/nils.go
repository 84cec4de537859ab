// Package nils has tests call what a program can call by mistake: the methods of nil pointers and of zero values.
package nils

import (
	"reflect"
	"testing"
)

// Call calls every exported method of each value with the zero value of each parameter, and fails the test for each that
// panics. Sequences that a method returns are walked.
func Call(t *testing.T, values ...any) {
	t.Helper()
	for _, v := range values {
		of := reflect.ValueOf(v)
		for i := range of.NumMethod() {
			if byValue(of, of.Type().Method(i).Name) {
				continue
			}
			name := of.Type().String() + "." + of.Type().Method(i).Name
			if r := panics(of.Method(i)); r != nil {
				t.Errorf("%s: panic: %v", name, r)
			}
		}
	}
}

// byValue reports whether a method of a nil pointer is one of what it would point to, which Go reads before it is called.
func byValue(of reflect.Value, method string) bool {
	if of.Kind() != reflect.Pointer || !of.IsNil() {
		return false
	}
	_, value := of.Type().Elem().MethodByName(method)
	return value
}

func panics(method reflect.Value) (r any) {
	defer func() { r = recover() }()
	in := make([]reflect.Value, method.Type().NumIn())
	for i := range in {
		in[i] = reflect.Zero(method.Type().In(i))
	}
	call := method.Call
	if method.Type().IsVariadic() {
		call = method.CallSlice
	}
	for _, out := range call(in) {
		walk(out)
	}
	return nil
}

// walk takes the first value of a sequence.
func walk(out reflect.Value) {
	switch {
	case out.Type().CanSeq():
		if out.Kind() == reflect.Func && !out.IsNil() {
			for range out.Seq() {
				break
			}
		}
	case out.Type().CanSeq2():
		if out.Kind() == reflect.Func && !out.IsNil() {
			for range out.Seq2() {
				break
			}
		}
	}
}
