package berth_test

import (
	"testing"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/nils"
)

func TestNilsAndZeroValues(t *testing.T) {
	nils.Call(t,
		new(berth.Attributes), new(berth.Code), new(berth.CountedRule), new(berth.Counting), new(berth.Device),
		new(berth.DeviceRequest), new(berth.DeviceShare), new(berth.Domains), new(berth.Effect),
		new(berth.Grant), new(berth.Group), new(berth.GroupSpec), new(berth.Hold),
		new(berth.Lack), new(berth.Lease), new(berth.Mode), new(berth.Node),
		new(berth.Op), new(berth.OpKind),
		new(berth.PortRange), new(berth.Preference), new(berth.Quota), new(berth.Reason),
		new(berth.Relation), new(berth.Requirements), new(berth.Resources), new(berth.Role),
		new(berth.Selector), new(berth.SyntaxError), new(berth.Taint), new(berth.Task), new(berth.TaskState),
		new(berth.Value),
	)
	nils.Call(t,
		(*berth.Group)(nil), (*berth.Hold)(nil), (*berth.Node)(nil),
	)
}
