package berth_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
)

func TestReasonString(t *testing.T) {
	want := map[berth.Code]string{
		berth.None: "no reason x", berth.Insufficient: "insufficient x", berth.NoDevice: "no device for x", berth.NoPort: "no port x",
		berth.TooSmall: "too little x in all", berth.ByDevice: "only as devices: x", berth.DeviceUnhealthy: "no healthy device for x",
		berth.DeviceTaken: "no free device for x", berth.UnitsTaken: "insufficient units of x", berth.PortTaken: "no free port x",
		berth.RuleBroken: "refused by x", berth.NoDomain: "no domain of x", berth.DomainFull: "x", berth.KeptApart: "kept off by x", berth.NoneNear: "none of x", berth.Tainted: "untolerated taint x", berth.Unschedulable: "unschedulable x",
		berth.Cordoned: "cordoned x", berth.NotOffered: "not offered x", berth.NoNodes: "no nodes x", berth.GangIncomplete: "gang incomplete x", berth.NotWhole: "not whole: x", berth.Covered: "already covered x", berth.OverLimit: "over limit x", berth.HeldBack: "held back behind x",
		berth.UnknownNode: "unknown node x", berth.UnknownTask: "unknown task x", berth.UnknownHold: "unknown hold x",
		berth.TaskExists: "task exists x", berth.HoldExists: "hold exists x",
		berth.NotHeld: "not held x", berth.Denied: "denied x", berth.Invalid: "invalid x",
	}
	for c := berth.None; c <= berth.Invalid; c++ {
		r := berth.Reason{Code: c, Subject: "x"}
		assert.Equal(t, want[c], r.String(), "code %d", c)
		assert.Equal(t, want[c], r.Error())
	}
	assert.Equal(t, "cordoned", berth.Reason{Code: berth.Cordoned}.String())
	assert.Equal(t, "held back", berth.Reason{Code: berth.HeldBack}.String())
	assert.Equal(t, "held back behind /", berth.Behind("").String())
	assert.Equal(t, berth.Reason{Code: berth.HeldBack, Subject: "eng/web"}, berth.Behind("eng/web"))
	assert.Equal(t, "no reason", berth.Reason{}.String())
	assert.Equal(t, "reason 255 x", berth.Reason{Code: 255, Subject: "x"}.String())
	assert.Equal(t, "refused by", berth.RuleBroken.String())
	assert.Equal(t, "domain full", berth.Reason{Code: berth.DomainFull}.String())
	assert.Equal(t, "reason 255", berth.Code(255).String())
	lack := berth.Lack{Reason: berth.Reason{Code: berth.Insufficient, Subject: "memory"}, Short: 1<<30 + 1}
	assert.Equal(t, "lacks 1.1 GiB memory", lack.String(), "1 GiB would not do")
}
