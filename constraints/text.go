package constraints

import "github.com/berth-sched/berth"

// text is what MarshalText of a rule returns: what String prints, unless there is a fault, which no text brings back.
func text(rule berth.Constraint) ([]byte, error) {
	if err := rule.Err(); err != nil {
		return nil, err
	}
	return []byte(rule.String()), nil
}

// MarshalText returns what String prints, which [Parse] reads. It fails if the rule has a fault.
func (c Comparison) MarshalText() ([]byte, error) { return text(c) }

// MarshalText returns what String prints, which [Parse] reads, or [Own.Parse] where a part is a host's own. It fails
// if the rule has a fault.
func (c Combination) MarshalText() ([]byte, error) { return text(c) }

// MarshalText returns what String prints, which [Parse] reads. It fails if the rule has a fault.
func (p Pattern) MarshalText() ([]byte, error) { return text(p) }

// MarshalText returns what String prints, which [Parse] reads. It fails if the rule has a fault.
func (c Cap) MarshalText() ([]byte, error) { return text(c) }

// MarshalText returns what String prints, which [Parse] reads. It fails if the rule has a fault.
func (s Spread) MarshalText() ([]byte, error) { return text(s) }

// MarshalText returns what String prints, which [Parse] reads. It fails if the rule has a fault.
func (t Toleration) MarshalText() ([]byte, error) { return text(t) }

// MarshalText returns what String prints, which [Parse] reads. It fails if the rule has a fault.
func (p Pair) MarshalText() ([]byte, error) { return text(p) }
