package allocator

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/berth-sched/berth"
)

// Usage is what roles have used of a cluster of late: their dominant shares over time, of which those of a half-life ago count half. The host
// observes the ledger from time to time, and what is read between two observations does not change. [ByUsage] orders by it,
// and [Usage.Weights] makes weights of it that give back what a role has gone without. A Usage may be used by any number of
// goroutines at once; it must not be copied. Sums are kept in millionths of the cluster, and in whole numbers, so that the same
// observations are the same usage on any machine.
type Usage struct {
	mu       sync.Mutex
	halfLife time.Duration
	at       time.Time
	roles    map[berth.Role]used
}

// used is the decayed mean of a share, in units of usageUnit.
type used struct{ all, own int64 }

const (
	usageUnit   = 1_000_000_000_000 // of the sums; what is read is in millionths
	usageSteps  = 1 << 28           // in which a half-life decays
	usageMillis = usageUnit / 1_000_000
)

// NewUsage returns a Usage without observations. A half-life of a day forgets a day's excess within a week. It fails if the half-life is
// not positive.
func NewUsage(halfLife time.Duration) (*Usage, error) {
	if halfLife <= 0 {
		return nil, fmt.Errorf("allocator: usage: a half-life of %v is not positive", halfLife)
	}
	return &Usage{halfLife: halfLife, roles: map[berth.Role]used{}}, nil
}

var errUsage = errors.New("allocator: usage: not made by NewUsage")

// Observe takes in that each of some roles has had, since the last observation, what it has in a ledger now; other roles have had nothing.
// The first observation only sets the time, and one of an earlier time than the last does nothing. It takes time for each role that is
// named or known.
func (u *Usage) Observe(l Ledger, roles ...berth.Role) error {
	if u == nil {
		return errUsage
	}
	if l == nil {
		return errors.New("allocator: usage: no ledger")
	}
	var errs []error
	for _, r := range roles {
		if err := checkRole(r); err != nil {
			errs = append(errs, fmt.Errorf("allocator: usage: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	now, total := l.Time(), l.Total()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.halfLife <= 0 {
		return errUsage
	}
	if u.at.IsZero() || !now.After(u.at) {
		if u.at.IsZero() {
			u.at = now
		}
		return nil
	}
	keep := kept(now.Sub(u.at), u.halfLife)
	u.at = now
	for r, x := range u.roles {
		x = used{decay(x.all, keep), decay(x.own, keep)}
		if u.roles[r] = x; x == (used{}) {
			delete(u.roles, r)
		}
	}
	seen := make(map[berth.Role]bool, len(roles))
	for _, r := range roles {
		if seen[r] {
			continue
		}
		seen[r] = true
		x := u.roles[r]
		x.all += decay(shareIn(l.Used(r), total), keepWhole-keep)
		x.own += decay(shareIn(l.Own(r), total), keepWhole-keep)
		if x != (used{}) {
			u.roles[r] = x
		}
	}
	return nil
}

// shareIn returns the dominant share in units, not more than a thousand times all there is.
func shareIn(has, total berth.Resources) int64 {
	var most int64
	for name, q := range has {
		if all := total[name]; q > 0 && all > 0 {
			hi, lo := bits.Mul64(uint64(q), usageUnit)
			if hi >= uint64(all) {
				return 1000 * usageUnit
			}
			x, _ := bits.Div64(hi, lo, uint64(all))
			most = max(most, int64(min(x, 1000*usageUnit)))
		}
	}
	return most
}

// keepWhole is what is kept of a sum where no time has passed.
const keepWhole = 1 << 30

// kept returns what is kept after some time, in parts of keepWhole: halved for each half-life, and by powers of two between.
func kept(d, halfLife time.Duration) int64 {
	halves := d / halfLife
	if halves >= 62 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(d%halfLife), usageSteps)
	step := div(hi, lo, uint64(halfLife))
	x := uint64(keepWhole) << 32
	for i, root := 0, uint64(0xb504f333f9de6484); i < 28; i++ { // 2^(-1/2) of 2^64, then its square root, and so on
		if step&(usageSteps>>1>>i) != 0 {
			x, _ = bits.Mul64(x, root)
		}
		root = rootOf(root)
	}
	return int64(x >> 32 >> halves)
}

// rootOf returns the square root of x/2^64, in parts of 2^64, for x from half of it up.
func rootOf(x uint64) uint64 {
	low, high := x, uint64(1<<64-1)
	for low < high {
		mid := low + (high-low)/2 + 1
		if hi, _ := bits.Mul64(mid, mid); hi <= x-1 {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}

func decay(x, keep int64) int64 {
	hi, lo := bits.Mul64(uint64(x), uint64(keep))
	return int64(hi<<34 | lo>>30)
}

// Of returns what a role, those below it included, has used of late, in millionths of the cluster.
func (u *Usage) Of(r berth.Role) int64 { return u.read(r).all / usageMillis }

// own returns what a role has used by itself.
func (u *Usage) own(r berth.Role) int64 { return u.read(r).own / usageMillis }

func (u *Usage) read(r berth.Role) used {
	if u == nil {
		return used{}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.roles[r]
}

// Weights returns weights for siblings by what they have used: each role has the part w + k(w-u) of what they all have, or none
// if that is negative, with w for its part of the base weights, u for its usage, and k in thousandths; the formula of time-based
// fair share of KAI. With k = 0 they are the base weights; the more k, the sooner is given back what a role has gone
// without. Roles without a base weight have [DefaultWeight]. The weights are out of a million times their number, and
// at least one. Hand them to a [Fair], a [Tree] or [DRF.SetWeight] anew after each observation, or each hour.
func (u *Usage) Weights(base map[berth.Role]Weight, k int64, siblings ...berth.Role) map[berth.Role]Weight {
	sum := wide{}
	weight := func(r berth.Role) uint64 {
		if w := base[r]; w > 0 {
			return uint64(w)
		}
		return uint64(DefaultWeight)
	}
	siblings = slices.Compact(slices.Sorted(slices.Values(siblings)))
	for _, r := range siblings {
		sum = sum.plus(wide{lo: weight(r)})
	}
	out := make(map[berth.Role]Weight, len(siblings))
	k = min(max(k, 0), 1_000_000)
	for _, r := range siblings {
		// In millionths; the sum of int64s shifted to fit in a word.
		n := max(0, sum.bits()-63)
		hi, lo := bits.Mul64(weight(r)>>n, 1_000_000)
		w := int64(div(hi, lo, max(1, sum.over(n).lo)))
		part := w*1000 + k*(w-min(u.Of(r), 1_000_000))
		out[r] = Weight(max(1, part/1000*int64(len(siblings))))
	}
	return out
}

var (
	_ encoding.TextMarshaler   = (*Usage)(nil)
	_ encoding.TextUnmarshaler = (*Usage)(nil)
)

// MarshalText writes the half-life, the time of the last observation, and a line for each role, so that the usage goes on after a restart.
func (u *Usage) MarshalText() ([]byte, error) {
	if u == nil {
		return nil, errUsage
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.halfLife <= 0 {
		return nil, errUsage
	}
	at := "never"
	if !u.at.IsZero() {
		at = u.at.UTC().Format(time.RFC3339Nano)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "usage half-life=%v at=%s\n", u.halfLife, at)
	for _, r := range slices.Sorted(maps.Keys(u.roles)) {
		fmt.Fprintf(&b, "%d %d %q\n", u.roles[r].all, u.roles[r].own, string(r))
	}
	return []byte(b.String()), nil
}

// UnmarshalText reads what MarshalText has written, in place of all that u has. It fails, and changes nothing, with the first line that is
// not such.
func (u *Usage) UnmarshalText(text []byte) error {
	if u == nil {
		return errUsage
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	fault := func(i int) error { return fmt.Errorf("allocator: usage: line %d: %.80q", i+1, lines[i]) }
	head, ok := strings.CutPrefix(lines[0], "usage half-life=")
	life, at, both := strings.Cut(head, " at=")
	if !ok || !both {
		return fault(0)
	}
	halfLife, err := time.ParseDuration(life)
	if err != nil || halfLife <= 0 {
		return fault(0)
	}
	var when time.Time
	if at != "never" {
		if when, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return fault(0)
		}
	}
	roles := make(map[berth.Role]used, len(lines)-1)
	for i, line := range lines[1:] {
		fields := strings.SplitN(line, " ", 3)
		if len(fields) != 3 {
			return fault(i + 1)
		}
		all, err1 := strconv.ParseInt(fields[0], 10, 64)
		own, err2 := strconv.ParseInt(fields[1], 10, 64)
		path, err3 := strconv.Unquote(fields[2])
		r := berth.Role(path)
		if errors.Join(err1, err2, err3) != nil || all < 0 || own < 0 || all > 1000*usageUnit || own > 1000*usageUnit || checkRole(r) != nil {
			return fault(i + 1)
		}
		if _, twice := roles[r]; twice {
			return fault(i + 1)
		}
		roles[r] = used{all, own}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.halfLife, u.at, u.roles = halfLife, when, roles
	return nil
}
