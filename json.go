package berth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// What is read from JSON is one's own or refused: else any object would be read as an empty value. What cannot be read back whole, since it has
// groups whose rules only their packages know, is not read at all.

// UnmarshalJSON reads what was written of an explanation. It fails, and leaves e as it is, for anything else.
func (e *Explanation) UnmarshalJSON(data []byte) error {
	type fields Explanation // without this method
	return readFields("explanation", data, (*fields)(e), "nodes", "mode")
}

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

// UnmarshalJSON reads what was written of a version. It fails, and leaves v as it is, for anything else.
func (v *Version) UnmarshalJSON(data []byte) error {
	type fields Version
	return readFields("version", data, (*fields)(v), "Lineage", "Branch", "Seq")
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

// UnmarshalJSON fails: see [Group.MarshalJSON].
func (r *Refusal) UnmarshalJSON([]byte) error { return notRead("refusal") }

// UnmarshalJSON fails: see MarshalJSON. What is in Why is read as an [Explanation].
func (u *Unplaced) UnmarshalJSON([]byte) error { return notRead("unplaced task") }

// UnmarshalJSON fails: see [Group.MarshalJSON].
func (o *Outcome) UnmarshalJSON([]byte) error { return notRead("outcome") }

// UnmarshalJSON fails: a plan is of a version of one source, and is made on it.
func (p *Plan) UnmarshalJSON([]byte) error {
	return errors.New("plan: not read from JSON; it is of a version of one source, and is made on that")
}

// MarshalJSON returns the IDs of the task and of its group, the reason and the explanation, for people and programs that look at it.
func (u Unplaced) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Task   string       `json:"task"`
		Group  string       `json:"group"`
		Reason Reason       `json:"reason"`
		Why    *Explanation `json:"why,omitempty"`
	}{u.Task.ID, u.Task.Group.Name(), u.Reason, u.Why})
}
