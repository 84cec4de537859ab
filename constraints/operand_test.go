package constraints

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// Networks are looked up in an encoded list: as asking each of them.
func TestNetworksAsEach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr {
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{byte(9 + r.IntN(3)), byte(r.IntN(3)), 0, byte(r.IntN(4))})
		}
		return netip.AddrFrom16([16]byte{byte(r.IntN(2)), 15: byte(r.IntN(4))})
	}
	held := 0
	for range 400 {
		var texts []string
		var networks []netip.Prefix
		for range 1 + r.IntN(6) {
			a := address()
			p := netip.PrefixFrom(a, r.IntN(a.BitLen()+1))
			if r.IntN(3) > 0 {
				p = netip.PrefixFrom(a, a.BitLen()-r.IntN(9))
			}
			texts, networks = append(texts, p.String()), append(networks, p)
		}
		rule := InNetwork("ip", texts...)
		require.NoError(t, rule.Err())
		for range 20 {
			a, want := address(), false
			for _, p := range networks {
				want = want || p.Contains(a)
			}
			got := rule.Allows(&berth.Node{ID: "n", Attributes: berth.Attributes{"ip": a.String()}})
			require.Equal(t, want, got, "%v of %v", a, rule)
			if got {
				held++
			}
		}
	}
	assert.Greater(t, held, 500)
}

// An asked-for network or version is read once, when the rule is made: asking allocates nothing.
func TestOperandsAreReadOnce(t *testing.T) {
	n := &berth.Node{ID: "n", Attributes: berth.Attributes{"ip": "10.1.2.3", "kernel": "5.4.17-rc1"}}
	for _, rule := range []Comparison{InNetwork("ip", "10.0.0.0/8", "fd00::/8"), Version("kernel", ">= 5.4.17-rc0, != 5.4.18"), SemVer("kernel", "< 6")} {
		t.Run(fmt.Sprint(rule), func(t *testing.T) {
			require.True(t, rule.Allows(n))
			assert.Zero(t, testing.AllocsPerRun(100, func() { rule.Allows(n) }))
		})
	}
}
