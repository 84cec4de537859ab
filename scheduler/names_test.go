package scheduler_test

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// What is told only to be looked at has names of its own in JSON, in lower case, whatever its fields are called. Nodes, holds, quotas and commands, which are handed in as well, have those of their fields.
func TestWhatIsToldHasNamesInJSON(t *testing.T) {
	seen := map[reflect.Type]bool{reflect.TypeFor[time.Time](): true}
	var walk func(reflect.Type)
	walk = func(of reflect.Type) {
		if seen[of] {
			return
		}
		seen[of] = true
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(of.Elem())
		case reflect.Struct:
			for _, writes := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
				if of.Implements(writes) || reflect.PointerTo(of).Implements(writes) {
					return
				}
			}
			for f := range of.Fields() {
				if !f.IsExported() {
					continue
				}
				walk(f.Type)
				if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !f.Anonymous {
					assert.NotEmpty(t, name, "%v: %s", of, f.Name)
					assert.False(t, name != "" && name[0] >= 'A' && name[0] <= 'Z', "%v: %s", of, f.Name)
				}
			}
		}
	}
	for _, of := range []reflect.Type{
		reflect.TypeFor[allocator.Fairness](), reflect.TypeFor[allocator.Standing](), reflect.TypeFor[cluster.Explanation](),
		reflect.TypeFor[offers.Answers](), reflect.TypeFor[offers.InverseOffer](), reflect.TypeFor[offers.Overview](),
		reflect.TypeFor[offers.Recalled](), reflect.TypeFor[placement.Score](), reflect.TypeFor[scheduler.Coverage](), reflect.TypeFor[scheduler.RoleWhy](),
	} {
		walk(of)
	}
}
