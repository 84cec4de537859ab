package berth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// What is read from JSON is one's own or refused: else any object would be read as an empty value. What cannot be read back whole, since it has
// groups whose rules only their packages know, is not read at all.

// UnmarshalJSON reads what was written of a node. It fails, and leaves n as it is, for what has no ID or has fields besides.
func (n *Node) UnmarshalJSON(data []byte) error {
	type fields Node
	return readFields("node", data, (*fields)(n), "ID")
}

// UnmarshalJSON reads what was written of a hold. It fails, and leaves h as it is, for what has no ID or has fields besides.
func (h *Hold) UnmarshalJSON(data []byte) error {
	type fields Hold
	return readFields("hold", data, (*fields)(h), "ID")
}

// UnmarshalJSON reads what was written of a quota. It fails, and leaves q as it is, for what names no role or has fields besides: the
// root's is "".
func (q *Quota) UnmarshalJSON(data []byte) error {
	type fields Quota
	return readFields("quota", data, (*fields)(q), "Role")
}

// readFields reads an object into a struct if it has the fields that must be there, and none that the struct does not have. As
// encoding/json has it, null changes nothing.
func readFields[T any](what string, data []byte, into *T, must ...string) error {
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

func notRead(what string) error {
	return errors.New(what + ": not read from JSON, which does not tell which package knows a rule; scheduler.Codec reads what it wrote")
}

// UnmarshalJSON fails: see MarshalJSON.
func (g *Group) UnmarshalJSON([]byte) error { return notRead("group") }

// UnmarshalJSON fails: see [Group.MarshalJSON]. constraints.Parse reads the rules that were written, one by one.
func (s *GroupSpec) UnmarshalJSON([]byte) error { return notRead("group spec") }

// UnmarshalJSON fails: see [Group.MarshalJSON].
func (t *Task) UnmarshalJSON([]byte) error { return notRead("task") }

// UnmarshalJSON fails: see [Group.MarshalJSON].
func (op *Op) UnmarshalJSON([]byte) error { return notRead("operation") }
