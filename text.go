package berth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Enumerations are written as a word each, in JSON and whatever else asks for text, and are read back from it. The words
// stay as they are from release to release, which what String prints for people need not. A value without a word is an
// error both ways.

var (
	modeWords      = []string{Count: "count", Gang: "gang", Daemon: "daemon"}
	taskStateWords = taskStateText[:]
	opWords        = opText[:]
	effectWords    = []string{NoSchedule: "no-schedule", PreferNoSchedule: "prefer-no-schedule", NoExecute: "no-execute"}
	protocolWords  = []string{AllProtocols: "all", TCP: "tcp", UDP: "udp", SCTP: "sctp"}
	leaseWords     = []string{Exclusive: "exclusive", Optimistic: "optimistic", Reserved: "reserved"}
	relationWords  = []string{AtMost: "at-most", Apart: "apart", Near: "near", Avoid: "avoid", Colocate: "colocate"}
	codeWords      = []string{
		None: "none", Insufficient: "insufficient", TooSmall: "too-small", ByDevice: "by-device", NoDevice: "no-device",
		DeviceUnhealthy: "device-unhealthy", DeviceTaken: "device-taken", UnitsTaken: "units-taken", NoPort: "no-port",
		PortTaken: "port-taken", RuleBroken: "rule-broken", NoDomain: "no-domain", DomainFull: "domain-full", KeptApart: "kept-apart", NoneNear: "none-near", Tainted: "tainted",
		Unschedulable: "unschedulable", Cordoned: "cordoned", NotOffered: "not-offered",
		NoNodes: "no-nodes", GangIncomplete: "gang-incomplete", NotWhole: "not-whole", Covered: "covered", OverLimit: "over-limit", HeldBack: "held-back",
		UnknownNode: "unknown-node", UnknownTask: "unknown-task", UnknownHold: "unknown-hold", TaskExists: "task-exists",
		HoldExists: "hold-exists", NotHeld: "not-held", Denied: "denied", Invalid: "invalid",
	}
)

func wordOf[E ~uint8](kind string, words []string, e E) ([]byte, error) {
	if int(e) >= len(words) || words[e] == "" {
		return nil, fmt.Errorf("%s: no word for %d", kind, uint8(e))
	}
	return []byte(words[e]), nil
}

func readWord[E ~uint8](kind string, words []string, text []byte, e *E) error {
	for i, word := range words {
		if word == string(text) && word != "" {
			*e = E(i)
			return nil
		}
	}
	return fmt.Errorf("%s %q: unknown word, not one of %s", kind, text, strings.Join(words, ", "))
}

// MarshalText returns "count", "gang" or "daemon".
func (m Mode) MarshalText() ([]byte, error) { return wordOf("mode", modeWords, m) }

// UnmarshalText reads what MarshalText returns.
func (m *Mode) UnmarshalText(text []byte) error { return readWord("mode", modeWords, text, m) }

// MarshalText returns "assumed", "running", "stopping", "lost" or "orphan".
func (s TaskState) MarshalText() ([]byte, error) { return wordOf("task state", taskStateWords, s) }

// UnmarshalText reads what MarshalText returns.
func (s *TaskState) UnmarshalText(text []byte) error {
	return readWord("task state", taskStateWords, text, s)
}

// MarshalText returns what String prints.
func (k OpKind) MarshalText() ([]byte, error) { return wordOf("operation", opWords, k) }

// UnmarshalText reads what MarshalText returns.
func (k *OpKind) UnmarshalText(text []byte) error { return readWord("operation", opWords, text, k) }

// String returns "no-schedule", "prefer-no-schedule" or "no-execute".
func (e Effect) String() string {
	if int(e) < len(effectWords) {
		return effectWords[e]
	}
	return fmt.Sprintf("effect %d", uint8(e))
}

// MarshalText returns "no-schedule", "prefer-no-schedule" or "no-execute".
func (e Effect) MarshalText() ([]byte, error) { return wordOf("effect", effectWords, e) }

// UnmarshalText reads what MarshalText returns.
func (e *Effect) UnmarshalText(text []byte) error { return readWord("effect", effectWords, text, e) }

// String returns "all", "tcp", "udp" or "sctp".
func (p Protocol) String() string {
	if int(p) < len(protocolWords) {
		return protocolWords[p]
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// MarshalText returns what String prints.
func (p Protocol) MarshalText() ([]byte, error) { return wordOf("protocol", protocolWords, p) }

// UnmarshalText reads what MarshalText returns.
func (p *Protocol) UnmarshalText(text []byte) error {
	return readWord("protocol", protocolWords, text, p)
}

// String returns "exclusive", "optimistic" or "reserved".
func (l Lease) String() string {
	if int(l) < len(leaseWords) {
		return leaseWords[l]
	}
	return fmt.Sprintf("lease %d", uint8(l))
}

// MarshalText returns what String prints.
func (l Lease) MarshalText() ([]byte, error) { return wordOf("lease", leaseWords, l) }

// UnmarshalText reads what MarshalText returns.
func (l *Lease) UnmarshalText(text []byte) error { return readWord("lease", leaseWords, text, l) }

// MarshalText returns what String prints.
func (r Relation) MarshalText() ([]byte, error) { return wordOf("relation", relationWords, r) }

// UnmarshalText reads what MarshalText returns.
func (r *Relation) UnmarshalText(text []byte) error {
	return readWord("relation", relationWords, text, r)
}

// MarshalText returns the code's name, in small letters and with hyphens: "too-small" for [TooSmall].
func (c Code) MarshalText() ([]byte, error) { return wordOf("code", codeWords, c) }

// UnmarshalText reads what MarshalText returns.
func (c *Code) UnmarshalText(text []byte) error { return readWord("code", codeWords, text, c) }

// MarshalText returns the word of the code and, behind a space, the subject if there is one: "too-small memory".
func (r Reason) MarshalText() ([]byte, error) {
	text, err := r.Code.MarshalText()
	if err == nil && r.Subject != "" {
		text = append(append(text, ' '), r.Subject...)
	}
	return text, err
}

// UnmarshalText reads what MarshalText returns.
func (r *Reason) UnmarshalText(text []byte) error {
	word, subject, _ := strings.Cut(string(text), " ")
	var code Code
	if err := code.UnmarshalText([]byte(word)); err != nil {
		return fmt.Errorf("reason %q: %w", text, err)
	}
	*r = Reason{code, subject}
	return nil
}

// MarshalJSON returns text as a string and a number as a number.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.isNum {
		return json.Marshal(v.number)
	}
	return json.Marshal(v.text)
}

// UnmarshalJSON reads a string or a number.
func (v *Value) UnmarshalJSON(data []byte) error {
	var raw any
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	read, err := ValueOf(raw)
	if err == nil {
		*v = read
	}
	return err
}

// MarshalText returns what String prints. It fails if the rule has a fault.
func (p Preference) MarshalText() ([]byte, error) {
	if err := checkRule(p.Rule); err != nil {
		return nil, err
	}
	return []byte(p.String()), nil
}

// MarshalJSON returns the spec with its rules and preferences as text, which package constraints reads. It fails if one
// of them has a fault.
func (s GroupSpec) MarshalJSON() ([]byte, error) {
	type fields GroupSpec // without this method
	out := struct {
		fields
		Rules []string
	}{fields: fields(s)}
	var errs []error
	for _, r := range s.Rules {
		err := checkRule(r)
		if err == nil {
			out.Rules = append(out.Rules, r.String())
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// MarshalJSON returns the group's name and spec, for people and programs that look at it. It fails if the group has a
// fault. To read groups back, write them with scheduler.Codec: JSON does not tell which package knows a rule.
func (g Group) MarshalJSON() ([]byte, error) {
	if err := (&g).Err(); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Name string
		Spec GroupSpec
	}{g.name, g.spec})
}
