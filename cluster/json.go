package cluster

import (
	"encoding/json"
	"errors"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fields"
)

// UnmarshalJSON reads what was written of an explanation. It fails, and leaves e as it is, for anything else.
func (e *Explanation) UnmarshalJSON(data []byte) error {
	type plain Explanation // without this method
	return fields.Read("explanation", data, (*plain)(e), "nodes", "mode")
}

// UnmarshalJSON reads what was written of a version. It fails, and leaves v as it is, for anything else.
func (v *Version) UnmarshalJSON(data []byte) error {
	type plain Version
	return fields.Read("version", data, (*plain)(v), "lineage", "branch", "seq")
}

// What has groups is not read: JSON does not tell which package knows a rule of theirs.

// UnmarshalJSON fails: see [berth.Group.MarshalJSON].
func (r *Refusal) UnmarshalJSON([]byte) error { return fields.NotRead("refusal") }

// UnmarshalJSON fails: see MarshalJSON. What is in Why is read as an [Explanation].
func (u *Unplaced) UnmarshalJSON([]byte) error { return fields.NotRead("unplaced task") }

// UnmarshalJSON fails: see [berth.Group.MarshalJSON].
func (o *Outcome) UnmarshalJSON([]byte) error { return fields.NotRead("outcome") }

// UnmarshalJSON fails: a plan is of a version of one source, and is made on it.
func (p *Plan) UnmarshalJSON([]byte) error {
	return errors.New("plan: not read from JSON; it is of a version of one source, and is made on that")
}

// MarshalJSON returns the IDs of the task and of its group, the reason and the explanation, for people and programs that look at it.
func (u Unplaced) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Task   string       `json:"task"`
		Group  string       `json:"group"`
		Reason berth.Reason `json:"reason"`
		Why    *Explanation `json:"why,omitempty"`
	}{u.Task.ID, u.Task.Group.Name(), u.Reason, u.Why})
}
