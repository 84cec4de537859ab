// Package command reads the arguments of this repository's commands.
package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Parse sets flags from args, of which all must be flags and their values. It goes on after a fault, and
// returns all faults joined, in the order of the arguments. Where help is asked for, it writes the usage to w
// and returns [flag.ErrHelp], or what kept it from writing.
func Parse(flags *flag.FlagSet, args []string, w io.Writer) error {
	var usage strings.Builder
	flags.SetOutput(&usage) // errors are returned, and the usage is for who asks for it
	var faults []error
	for len(args) > 0 {
		usage.Reset()
		err := flags.Parse(args)
		rest := flags.Args()
		switch {
		case errors.Is(err, flag.ErrHelp):
			if _, failed := io.WriteString(w, usage.String()); failed != nil {
				return failed
			}
			return err
		case err != nil:
			faults = append(faults, err)
			if len(rest) == len(args) { // what looks like no flag at all is not passed over
				rest = rest[1:]
			}
		case len(rest) > 0:
			faults = append(faults, fmt.Errorf("unexpected argument %q", rest[0]))
			rest = rest[1:]
		}
		args = rest
	}
	return errors.Join(faults...)
}
