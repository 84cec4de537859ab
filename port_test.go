package berth_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// A name server has its port for both protocols; a sidecar listens on the node's loopback only, where the others of its number may not.
func ExamplePort() {
	dns := []berth.PortRange{{First: 53, Last: 53, Protocol: berth.TCP}, {First: 53, Last: 53, Protocol: berth.UDP}}
	sidecar := berth.Port{Number: 53, Protocol: berth.TCP, Address: "127.0.0.1"}
	fmt.Println(dns, sidecar)
	fmt.Println(sidecar.Meets(berth.Port{Number: 53, Protocol: berth.TCP}), sidecar.Meets(berth.Port{Number: 53, Protocol: berth.UDP}))
	// Output:
	// [53/tcp 53/udp] 127.0.0.1:53/tcp
	// true false
}

// somePort are those of one number, of three protocols and at three addresses.
func somePort() (ports []berth.Port) {
	for _, p := range []berth.Protocol{berth.AllProtocols, berth.TCP, berth.UDP, berth.SCTP} {
		for _, a := range []string{"", "10.0.0.1", "fd00::1", "public"} {
			ports = append(ports, berth.Port{Number: 80, Protocol: p, Address: a})
		}
	}
	return ports
}

// Ports of Kubernetes (NodePorts, HostPortInfo): 0.0.0.0 is all addresses, and protocols are of their own.
func TestPortsMeet(t *testing.T) {
	at := func(text string) (p berth.Port) {
		require.NoError(t, p.UnmarshalText([]byte(text)))
		return p
	}
	for _, c := range []struct {
		a, b string
		meet bool
	}{
		{"80", "80", true}, {"80", "81", false}, {"80/tcp", "80/tcp", true}, {"80/tcp", "80/udp", false}, {"80", "80/udp", true},
		{"10.0.0.1:80/tcp", "10.0.0.1:80/tcp", true}, {"10.0.0.1:80/tcp", "10.0.0.2:80/tcp", false}, {"10.0.0.1:80/tcp", "80/tcp", true},
		{"10.0.0.1:80/tcp", "80/udp", false}, {"10.0.0.1:80", "80/udp", true}, {"public:80", "private:80", false}, {"[fd00::1]:80", "[fd00::1]:80/sctp", true},
	} {
		assert.Equal(t, c.meet, at(c.a).Meets(at(c.b)), "%s and %s", c.a, c.b)
		assert.Equal(t, c.meet, at(c.b).Meets(at(c.a)), "%s and %s", c.b, c.a)
	}
	ports := somePort()
	for _, p := range ports { // two meet where one port could be a part of both, and one covers another if it meets all that that one does
		for _, q := range ports {
			common := slices.ContainsFunc(ports, func(r berth.Port) bool { return p.Covers(r) && q.Covers(r) })
			assert.Equal(t, common, p.Meets(q), "%v and %v", p, q)
		}
	}
}

func TestPortTexts(t *testing.T) {
	for _, p := range somePort() {
		text, err := p.MarshalText()
		require.NoError(t, err)
		var again berth.Port
		require.NoError(t, again.UnmarshalText(text))
		assert.Equal(t, p, again)
		r := berth.PortRange{First: 8000, Last: 8999, Protocol: p.Protocol, Address: p.Address}
		asJSON, err := json.Marshal(r)
		require.NoError(t, err)
		var read berth.PortRange
		require.NoError(t, json.Unmarshal(asJSON, &read))
		assert.Equal(t, r, read)
		for in := range 3 {
			port := berth.Port{Number: uint16(7999 + 500*in), Protocol: p.Protocol, Address: p.Address}
			assert.Equal(t, in > 0, r.Contains(port), "%v of %v", port, r)
		}
	}
	g := &berth.Grant{Ports: []berth.Port{{Number: 80, Protocol: berth.TCP, Address: "fd00::1"}, {Number: 8000}}}
	text, err := g.MarshalText()
	require.NoError(t, err)
	assert.Equal(t, "ports [[fd00::1]:80/tcp 8000]", string(text))
	var again berth.Grant
	require.NoError(t, again.UnmarshalText(text))
	assert.Equal(t, *g, again)
	for _, bad := range []string{
		"", "80/", "80/TCP", "80/all", "0", "70000", "080", ":80", "[10.0.0.1]:80", "0.0.0.0:80", "[::]:80", "[::ffff:10.0.0.1]:80", "[fd00:0::1]:80", "a b:80", "9-8", "8-8", "[fd00::1%eth0]:80",
	} {
		p := berth.PortRange{First: 7, Last: 7}
		assert.Error(t, p.UnmarshalText([]byte(bad)), bad)
		assert.Equal(t, berth.PortRange{First: 7, Last: 7}, p)
	}
	p := berth.Port{Number: 7}
	assert.Error(t, p.UnmarshalText([]byte("8-9")))
	assert.Equal(t, berth.Port{Number: 7}, p)
}

func TestPortFaults(t *testing.T) {
	for what, ranges := range map[string][]berth.PortRange{
		`node "n": ports 80/tcp overlap ports 80`:                                                                {{First: 80, Last: 80}, {First: 80, Last: 80, Protocol: berth.TCP}},
		`node "n": ports 85/udp overlap ports 10.0.0.1:80-90/udp`:                                                {{First: 80, Last: 90, Protocol: berth.UDP, Address: "10.0.0.1"}, {First: 85, Last: 85, Protocol: berth.UDP}},
		`node "n": ports 0.0.0.0:80: address "0.0.0.0": leave it out for all addresses`:                          {{First: 80, Last: 80, Address: "0.0.0.0"}},
		`node "n": ports [::ffff:10.0.0.1]:80: address "::ffff:10.0.0.1": write "10.0.0.1"`:                      {{First: 80, Last: 80, Address: "::ffff:10.0.0.1"}},
		`node "n": ports a b:80: address "a b" is neither an IP address nor a name of letters, digits and "._-"`: {{First: 80, Last: 80, Address: "a b"}},
		`node "n": ports 80/protocol 9: unknown protocol 9`:                                                      {{First: 80, Last: 80, Protocol: 9}},
		`node "n": ports a b:9-8/protocol 9: not a range of ports from 1 on; unknown protocol 9; address "a b" is neither an IP address nor a name of letters, digits and "._-"`: {{First: 9, Last: 8, Protocol: 9, Address: "a b"}},
	} {
		n := berth.Node{ID: "n", Ports: ranges}
		assert.EqualError(t, n.Err(), what)
		assert.Error(t, berth.NewGroup("g", berth.GroupSpec{Ports: ranges}).Err())
	}
	for _, good := range [][]berth.PortRange{
		{{First: 80, Last: 80, Protocol: berth.TCP}, {First: 80, Last: 80, Protocol: berth.UDP}},
		{{First: 80, Last: 90, Address: "10.0.0.1"}, {First: 80, Last: 90, Address: "10.0.0.2"}, {First: 91, Last: 91}},
	} {
		n := berth.Node{ID: "n", Ports: good}
		assert.NoError(t, n.Err())
	}
}

// Which ranges overlap is found without comparing each with each: as comparing each with each.
func TestOverlapsAsEachPair(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	overlaps := 0
	for range 2000 {
		var ranges []berth.PortRange
		for range 1 + r.IntN(6) {
			first := uint16(1 + r.IntN(12))
			ranges = append(ranges, berth.PortRange{
				First: first, Last: first + uint16(r.IntN(4)), Protocol: berth.Protocol(r.IntN(3)), Address: []string{"", "a", "b"}[r.IntN(3)],
			})
		}
		want := false
		for i, a := range ranges {
			for _, b := range ranges[:i] {
				for n := a.First; n <= a.Last; n++ {
					want = want || berth.Port{Number: n, Protocol: a.Protocol, Address: a.Address}.Meets(berth.Port{Number: min(max(n, b.First), b.Last), Protocol: b.Protocol, Address: b.Address})
				}
			}
		}
		n := berth.Node{ID: "n", Ports: ranges}
		require.Equal(t, want, n.Err() != nil, "%v", ranges)
		if want {
			overlaps++
		}
	}
	assert.Greater(t, overlaps, 500)
	assert.Less(t, overlaps, 1900)
}
