package constraints

import (
	"fmt"
	"strconv"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// Toleration is a berth.Toleration for one taint, for some of a key or for all. It tolerates every effect unless [Toleration.Effect]
// says which. Tolerations compare with ==.
type Toleration struct {
	reach      reach
	key, value string
	bound      int64 // of over and under
	oneEffect  bool
	effect     berth.Effect
	limited    bool
	stay       time.Duration
}

type reach uint8

const (
	oneTaint reach = iota
	oneKey
	allTaints
	over
	under
)

// Tolerate lets the group's tasks on nodes with the taint of that key and value. An empty value is
// that of a taint without one.
func Tolerate(key, value string) Toleration {
	return Toleration{reach: oneTaint, key: key, value: value}
}

// TolerateKey lets the group's tasks on nodes with taints of that key, whatever their values.
func TolerateKey(key string) Toleration { return Toleration{reach: oneKey, key: key} }

// TolerateOver lets the group's tasks on nodes with taints of that key whose value is a whole number above n, in its usual form: 8, and
// neither 08 nor +8. Other values are not tolerated (the operator Gt of Kubernetes).
func TolerateOver(key string, n int64) Toleration {
	return Toleration{reach: over, key: key, bound: n}
}

// TolerateUnder lets the group's tasks on nodes with taints of that key whose value is a whole number below n, in its usual form. Other
// values are not tolerated (the operator Lt of Kubernetes).
func TolerateUnder(key string, n int64) Toleration {
	return Toleration{reach: under, key: key, bound: n}
}

// TolerateAll lets the group's tasks on nodes with any taint.
func TolerateAll() Toleration { return Toleration{reach: allTaints} }

// Effect returns the rule for taints of one effect only.
func (t Toleration) Effect(effect berth.Effect) Toleration {
	t.oneEffect, t.effect = true, effect
	return t
}

// For returns the rule with a time after which tasks are to leave a node that has got a taint of effect [berth.NoExecute]; by default
// they may stay for good. It is whole milliseconds, not below 0, and keeps no task from coming: see cluster.Leaves
// (tolerationSeconds in Kubernetes).
func (t Toleration) For(stay time.Duration) Toleration {
	t.limited, t.stay = true, stay
	return t
}

// Stay returns the time that the rule was given with For, and whether it was.
func (t Toleration) Stay() (limit time.Duration, limited bool) { return max(t.stay, 0), t.limited }

// Tolerates reports whether the group's tasks may go on nodes with the taint.
func (t Toleration) Tolerates(taint berth.Taint) bool {
	if t.faults() != "" || t.oneEffect && taint.Effect != t.effect {
		return false
	}
	if t.reach != allTaints && taint.Key != t.key {
		return false
	}
	switch t.reach {
	case oneTaint:
		return taint.Value == t.value
	case over, under:
		n, err := strconv.ParseInt(taint.Value, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != taint.Value { // 08 and +8 are no numbers to Kubernetes either
			return false
		}
		return t.reach == over && n > t.bound || t.reach == under && n < t.bound
	}
	return true
}

// String prints tolerate(key = "value"), tolerate(key), tolerate(key > 5) or tolerate(*), and what was said of the effect and
// the time after that: tolerate(key, effect no-execute, for 5m0s).
func (t Toleration) String() string {
	var s string
	switch name := lex.PrintName(t.key); t.reach {
	case allTaints:
		s = "*"
	case oneKey:
		s = name
	case over:
		s = fmt.Sprintf("%s > %d", name, t.bound)
	case under:
		s = fmt.Sprintf("%s < %d", name, t.bound)
	default:
		s = fmt.Sprintf("%s = %q", name, t.value)
	}
	if t.oneEffect {
		s += ", effect " + t.effect.String()
	}
	if t.limited {
		s += ", for " + t.stay.String()
	}
	return "tolerate(" + s + ")"
}

// Err returns every fault of the rule joined into one error, or nil.
func (t Toleration) Err() error { return t.faults().err(t) }

func (t Toleration) faults() (f faults) {
	if t.reach != allTaints {
		f.add(checkName("taint key", t.key))
	}
	if t.oneEffect && t.effect > berth.NoExecute {
		f.add("unknown " + t.effect.String())
	}
	if !t.limited {
		return f
	}
	if t.oneEffect && t.effect != berth.NoExecute {
		f.add("only a taint of effect no-execute has tasks leave after a time")
	}
	if t.stay < 0 || t.stay%time.Millisecond != 0 {
		f.add(fmt.Sprintf("time %v is not whole milliseconds from 0 on", t.stay))
	}
	return f
}
