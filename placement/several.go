package placement

import (
	"encoding/binary"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/fit"
)

// severalRequests is what rows lack of the devices for a group with more than one request of a class, which are served together
// or not at all. Rows of one class on whose devices as much is free lack the same, and are asked once. All is of one question.
type severalRequests struct {
	of    map[string]int32 // by class and what is free: the place among the verdicts
	all   []deviceVerdict
	key   []byte
	group *berth.Group
}

// deviceVerdict is why some rows cannot serve the requests.
type deviceVerdict struct {
	reasons  []berth.Reason
	served   []bool // by request: whether all those of its class can be
	rows     int
	withheld int // of the rows, those that are not offered
}

func (v *severalRequests) begin(s *search) {
	if v.group, v.all = s.group, v.all[:0]; v.of == nil {
		v.of = map[string]int32{}
	}
	clear(v.of)
}

// verdict returns what is said of rows like one.
func (v *severalRequests) verdict(m *mirror, row uint32) *deviceVerdict {
	st := &m.rows[row]
	key := binary.AppendUvarint(v.key[:0], uint64(st.class))
	for _, free := range m.devicesOf(row) {
		key = binary.AppendVarint(key, free)
	}
	v.key = key
	at, ok := v.of[string(key)]
	if !ok {
		at = int32(len(v.all))
		v.of[string(key)] = at
		reasons, served := fit.DeviceReasons(v.group, st.node.Spec, m.devicesOf(row))
		v.all = append(v.all, deviceVerdict{reasons: reasons, served: served})
	}
	return &v.all[at]
}

// measureSeveral adds what a row lacks of the room for a group with several requests, and counts it.
func (x *explainer) measureSeveral(near *explain.Miss, row uint32) {
	of := x.several.verdict(x.mirror, row)
	free := x.mirror.amountsOf(row)
	for i, n := range x.search.needs[:x.search.resources] {
		if free[n.Dim] >= n.Amount || x.isScalar(n.Dim) && !of.served[x.deviceOf[n.Dim]] {
			continue
		}
		near.Lack(n.Amount, free[n.Dim])
		x.lacking[i]++
	}
	near.Rooms += len(of.reasons)
	if of.rows++; x.mirror.view.Node(row).Withheld {
		of.withheld++
	}
}

// count counts what rows lack of the devices. That a node is not offered stands for all that is taken there.
func (v *severalRequests) count(x *explainer) {
	for i := range v.all {
		of := &v.all[i]
		for _, why := range of.reasons {
			n := of.rows
			if why.Code == berth.DeviceTaken {
				n -= of.withheld
			}
			x.countSome(why.Code, why.Subject, n)
		}
	}
}
