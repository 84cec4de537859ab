package allocator

import (
	"cmp"
	"math"
	"math/bits"
)

// wide is a sum of quantities. Each quantity is below 2^63, so a sum would need 2^65 of them to overflow.
type wide struct{ hi, lo uint64 }

func wideOf(q int64) wide { return wide{lo: uint64(q)} }

func (a wide) plus(b wide) wide {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return wide{hi, lo}
}

// minus returns a-b; a must not be less than b.
func (a wide) minus(b wide) wide {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return wide{hi, lo}
}

func (a wide) compare(b wide) int {
	if c := cmp.Compare(a.hi, b.hi); c != 0 {
		return c
	}
	return cmp.Compare(a.lo, b.lo)
}

// int64 returns a, or the largest int64 if a is larger.
func (a wide) int64() int64 {
	if a.hi > 0 || a.lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(a.lo)
}

func (a wide) bits() int {
	if a.hi > 0 {
		return 64 + bits.Len64(a.hi)
	}
	return bits.Len64(a.lo)
}

// over returns a/2^n, rounded up, so that what is not zero stays so.
func (a wide) over(n int) wide {
	q := wide{a.hi >> n, a.hi<<(64-n) | a.lo>>n}
	if n >= 64 {
		q = wide{0, a.hi >> (n - 64)}
	}
	if back := q.times2(n); back != a {
		q = q.plus(wide{lo: 1})
	}
	return q
}

func (a wide) times2(n int) wide {
	if n >= 64 {
		return wide{a.lo << (n - 64), 0}
	}
	return wide{a.hi<<n | a.lo>>(64-n), a.lo << n}
}

// ratio is the number used/(total*weight). Total and weight are never zero.
type ratio struct {
	used, total wide
	weight      uint64
}

// compare cross-multiplies. Siblings mostly share a dominant resource and a weight, and then one
// comparison does; quantities mostly fit in one word, and then three words hold a product.
func (a *ratio) compare(b *ratio) int {
	if a.total == b.total && a.weight == b.weight {
		if a.used.hi|b.used.hi == 0 {
			return cmp.Compare(a.used.lo, b.used.lo)
		}
		return a.used.compare(b.used)
	}
	if a.used.hi|a.total.hi|b.used.hi|b.total.hi == 0 {
		a2, a1, a0 := product(a.used.lo, b.total.lo, b.weight)
		b2, b1, b0 := product(b.used.lo, a.total.lo, a.weight)
		if c := cmp.Compare(a2, b2); c != 0 {
			return c
		}
		if c := cmp.Compare(a1, b1); c != 0 {
			return c
		}
		return cmp.Compare(a0, b0)
	}
	x, y := wideProduct(a.used, b.total, b.weight), wideProduct(b.used, a.total, a.weight)
	for i := len(x) - 1; i >= 0; i-- {
		if c := cmp.Compare(x[i], y[i]); c != 0 {
			return c
		}
	}
	return 0
}

// product returns x*y*z, most significant word first. The highest word cannot overflow: its largest
// value is that of (2^64-1)^3, below 2^192.
func product(x, y, z uint64) (w2, w1, w0 uint64) {
	hi, lo := bits.Mul64(x, y)
	carry, w0 := bits.Mul64(lo, z)
	w2, w1 = bits.Mul64(hi, z)
	w1, c := bits.Add64(w1, carry, 0)
	return w2 + c, w1, w0
}

// number is of 320 bits, which any product of two wides and a word fits in, least significant word first.
type number [5]uint64

func wideProduct(x, y wide, z uint64) number {
	low := number{x.lo, x.hi}
	high := low
	low.scale(y.lo)
	high.scale(y.hi)
	var carry uint64
	for i := 1; i < len(low); i++ {
		low[i], carry = bits.Add64(low[i], high[i-1], carry)
	}
	low.scale(z)
	return low
}

func (n *number) scale(by uint64) {
	var carry uint64
	for i, word := range n {
		hi, lo := bits.Mul64(word, by)
		var c uint64
		n[i], c = bits.Add64(lo, carry, 0)
		carry = hi + c
	}
}
