package constraints

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// Toleration is a berth.Toleration for one taint, for all of a key or for all. It tolerates every effect, as one
// without an effect does in Kubernetes. Tolerations compare with ==.
type Toleration struct {
	reach      reach
	key, value string
}

type reach uint8

const (
	oneTaint reach = iota
	oneKey
	allTaints
)

// Tolerate lets the group's tasks on nodes with the taint of that key and value. An empty value is
// that of a taint without one.
func Tolerate(key, value string) Toleration { return Toleration{oneTaint, key, value} }

// TolerateKey lets the group's tasks on nodes with taints of that key, whatever their values.
func TolerateKey(key string) Toleration { return Toleration{reach: oneKey, key: key} }

// TolerateAll lets the group's tasks on nodes with any taint.
func TolerateAll() Toleration { return Toleration{reach: allTaints} }

// Tolerates reports whether the group's tasks may go on nodes with the taint.
func (t Toleration) Tolerates(taint berth.Taint) bool {
	if t.faults() != "" {
		return false
	}
	switch t.reach {
	case allTaints:
		return true
	case oneKey:
		return taint.Key == t.key
	}
	return taint.Key == t.key && taint.Value == t.value
}

// String prints tolerate(key = "value"), tolerate(key) or tolerate(*).
func (t Toleration) String() string {
	switch t.reach {
	case allTaints:
		return "tolerate(*)"
	case oneKey:
		return fmt.Sprintf("tolerate(%s)", lex.PrintName(t.key))
	}
	return fmt.Sprintf("tolerate(%s = %q)", lex.PrintName(t.key), t.value)
}

// Err returns what is wrong with the rule, or nil.
func (t Toleration) Err() error { return t.faults().err(t) }

func (t Toleration) faults() (f faults) {
	if t.reach != allTaints {
		f.add(checkName("taint key", t.key))
	}
	return f
}
