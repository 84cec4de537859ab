package scheduler

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// hostPanic is a panic of host code, as an error.
type hostPanic struct {
	value any
	stack []byte
}

func (p *hostPanic) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// Unwrap returns the value, if it is an error.
func (p *hostPanic) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// errGone is of host code that ended its goroutine instead of returning.
var errGone = &hostPanic{value: "the goroutine was ended by runtime.Goexit"}

func isPanic(err error) bool {
	var p *hostPanic
	return errors.As(err, &p)
}

// guard calls f, and then with what f returned: in any case, be it that f panics or ends the goroutine.
func guard(f func() error, with func(error)) {
	var err error
	returned := false
	defer func() {
		if !returned {
			err = errGone
			if v := recover(); v != nil {
				err = &hostPanic{v, debug.Stack()}
			}
		}
		with(err)
	}()
	err = f()
	returned = true
}
