package constraints

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-sched/berth/internal/lex"
)

// Version allows nodes whose attribute is a version that meets all of some conditions, with commas between them: ">= 5.4, < 6",
// "~> 1.2", "!= 3.1.4". A version is numbers with dots between them, as many as there are, "v" before it or not, and a
// pre-release after a hyphen: v1.21.0-rc.1. Missing numbers are 0, and what comes after a "+" makes no difference.
// "~> 1.2" is at least 1.2 and below 2, "~> 1.2.3" at least 1.2.3 and below 1.3.
//
// A pre-release is only in a range whose condition names a pre-release of the same numbers, so that ">= 1.2" does not
// choose 1.3.0-beta. These are the version constraints of Nomad and Terraform. See [SemVer] for the plain order.
func Version(attribute, conditions string) Comparison {
	return compareVersions(attribute, version, conditions)
}

// SemVer allows nodes whose attribute is a version that meets all of some conditions, as [Version] does, but in the order of
// Semantic Versioning 2.0, where a pre-release is like any version below its release: ">= 1.2" chooses 1.3.0-beta. There is no
// "~>" in it (semver in Nomad).
func SemVer(attribute, conditions string) Comparison {
	return compareVersions(attribute, semVer, conditions)
}

func compareVersions(attribute string, op operator, text string) Comparison {
	conditions, fault := parseConditions(text)
	if fault == "" {
		texts := make([]string, len(conditions))
		for i, c := range conditions {
			texts[i] = c.op + " " + c.bound.text
			if c.op == "~>" && op == semVer {
				fault = `conditions ` + strconv.Quote(text) + `: "~>" has no meaning in Semantic Versioning`
			}
		}
		text = strings.Join(texts, ", ")
	}
	c := compare(attribute, op, text)
	c.faults.add(fault)
	c.encoded = encodeConditions(conditions)
	return c
}

// condition is one comparison of versions.
type condition struct {
	op    string
	bound release
}

// release is a version, taken apart.
type release struct {
	text       string // without a "v" and without what comes after a "+"
	numbers    []uint64
	written    int // how many of the numbers were; the others are 0
	preRelease string
}

// versionOperators are those of conditions, the longer before those that they begin with.
var versionOperators = []string{">=", "<=", "!=", "~>", "=", ">", "<"}

// parseConditions reads conditions, and says what is wrong with them.
func parseConditions(text string) (all []condition, fault string) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		c := condition{op: "="}
		for _, op := range versionOperators {
			if rest, ok := strings.CutPrefix(part, op); ok {
				c.op, part = op, strings.TrimSpace(rest)
				break
			}
		}
		var ok bool
		if c.bound, ok = parseVersion(part); !ok {
			return nil, fmt.Sprintf("conditions %q: %q is not a version", text, part)
		}
		all = append(all, c)
	}
	return all, ""
}

// parseVersion reads a version.
func parseVersion(text string) (release, bool) { return parseVersionInto(text, nil) }

// parseVersionInto is parseVersion with a slice for the numbers.
func parseVersionInto(text string, into []uint64) (release, bool) {
	text, build, built := strings.Cut(strings.TrimPrefix(text, "v"), "+")
	r := release{text: text, numbers: into}
	numbers, preRelease, is := strings.Cut(text, "-")
	if r.preRelease = preRelease; is && !identifiers(preRelease) || built && !identifiers(build) {
		return release{}, false
	}
	for digits := range strings.SplitSeq(numbers, ".") {
		number, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || digits[0] == '+' {
			return release{}, false
		}
		r.numbers = append(r.numbers, number)
	}
	r.written = len(r.numbers)
	for len(r.numbers) < 3 {
		r.numbers = append(r.numbers, 0)
	}
	return r, true
}

// identifiers reports whether a text is identifiers with dots between them, none of them empty.
func identifiers(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		odd := func(r rune) bool {
			return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '~')
		}
		if part == "" || strings.ContainsFunc(part, odd) {
			return false
		}
	}
	return true
}

// satisfies reports whether a text is a version that meets the conditions.
func (c Comparison) satisfies(text string) bool {
	var few [4]uint64
	r, ok := parseVersionInto(text, few[:0])
	if !ok {
		return false
	}
	var bound [4]uint64
	for rest := c.encoded; rest != ""; {
		var d condition
		if d, rest = decodeCondition(rest, bound[:0]); !d.holds(r, c.op == version) {
			return false
		}
	}
	return true
}

// encodeConditions writes conditions so that they are read again without parsing texts: rules compare with ==, which rules out
// to keep them as they are. Each is its operator and a NUL, the pre-release and a NUL, how many of the numbers were written, how many there
// are, and the numbers.
func encodeConditions(conditions []condition) string {
	var b []byte
	for _, c := range conditions {
		b = append(append(b, c.op...), 0)
		b = append(append(b, c.bound.preRelease...), 0)
		b = binary.BigEndian.AppendUint32(b, uint32(c.bound.written))
		b = binary.BigEndian.AppendUint32(b, uint32(len(c.bound.numbers)))
		for _, n := range c.bound.numbers {
			b = binary.BigEndian.AppendUint64(b, n)
		}
	}
	return string(b)
}

// decodeCondition reads the first condition, its numbers into a slice, and returns what comes after it.
func decodeCondition(text string, numbers []uint64) (c condition, rest string) {
	c.op, rest, _ = strings.Cut(text, "\x00")
	c.bound.preRelease, rest, _ = strings.Cut(rest, "\x00")
	c.bound.written, rest = int(readBigEndian(rest[:4])), rest[4:]
	count := int(readBigEndian(rest[:4]))
	for rest = rest[4:]; count > 0; count-- {
		numbers, rest = append(numbers, readBigEndian(rest[:8])), rest[8:]
	}
	c.bound.numbers = numbers
	return c, rest
}

func readBigEndian(bytes string) (n uint64) {
	for i := range len(bytes) {
		n = n<<8 | uint64(bytes[i])
	}
	return n
}

// holds reports whether a version meets the condition; ranges says that pre-releases are kept out of those that name none.
func (c condition) holds(r release, ranges bool) bool {
	order := r.compare(c.bound)
	switch c.op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	}
	if ranges && r.preRelease != "" && (c.bound.preRelease == "" || compareNumbers(r.numbers, c.bound.numbers) != 0) {
		return false
	}
	switch c.op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	// In "~>" all numbers but the last that is written are the same. One that names a pre-release is of pre-releases only.
	same := min(c.bound.written-1, len(r.numbers))
	return order >= 0 && (c.bound.preRelease == "" || r.preRelease != "") && slices.Equal(r.numbers[:same], c.bound.numbers[:same])
}

// compare orders versions by Semantic Versioning 2.0, with as many numbers as there are.
func (r release) compare(o release) int {
	if c := compareNumbers(r.numbers, o.numbers); c != 0 || r.preRelease == o.preRelease {
		return c
	}
	switch {
	case r.preRelease == "":
		return 1
	case o.preRelease == "":
		return -1
	}
	return comparePreReleases(r.preRelease, o.preRelease)
}

// comparePreReleases orders lists of identifiers by the first that differs, and one that goes on after another.
func comparePreReleases(a, b string) int {
	for more, others := true, true; more && others; {
		var x, y string
		x, a, more = strings.Cut(a, ".")
		y, b, others = strings.Cut(b, ".")
		if c := compareIdentifiers(x, y); c != 0 {
			return c
		}
		if more != others {
			if more {
				return 1
			}
			return -1
		}
	}
	return 0
}

// compareNumbers orders numbers from the first to the last, missing ones being 0.
func compareNumbers(a, b []uint64) int {
	for i := range max(len(a), len(b)) {
		var x, y uint64
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return 0
}

// compareIdentifiers orders numbers before texts, numbers by size and texts by bytes.
func compareIdentifiers(a, b string) int {
	x, isX := numberIn(a)
	y, isY := numberIn(b)
	switch {
	case isX && isY:
		return cmp.Compare(x, y)
	case isX:
		return -1
	case isY:
		return 1
	}
	return cmp.Compare(a, b)
}

// numberIn returns the number that a text is of, without the cost of an error where it is of none.
func numberIn(text string) (uint64, bool) {
	if text == "" || !lex.IsDigit(text[0]) {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}
