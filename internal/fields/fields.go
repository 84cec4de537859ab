// Package fields reads structs from JSON: one's own or nothing, for else any object would be read as an empty value.
package fields

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Read reads an object into a struct if it has the fields that must be there, and none that the struct does not have; else into
// stays as it is. As encoding/json has it, null changes nothing.
func Read[T any](what string, data []byte, into *T, must ...string) error {
	var present map[string]json.RawMessage
	if err := json.Unmarshal(data, &present); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if present == nil {
		return nil
	}
	var errs []error
	for _, field := range must {
		if _, has := present[field]; !has {
			errs = append(errs, fmt.Errorf("%s: no field %q", what, field))
		}
	}
	var read T
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(&read); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", what, err))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	*into = read
	return nil
}

// NotRead is the error of reading what has groups, which cannot be read back whole.
func NotRead(what string) error {
	return errors.New(what + ": not read from JSON, which does not tell which package knows a rule; scheduler.Codec reads what it wrote")
}
