package berth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkName says what is wrong with a name that a person or another program must be able to print
// and type again: empty, not UTF-8, spaces at its ends, or control characters.
func checkName(kind, name string) error {
	if isPlain(name) {
		return nil // nearly all names: every placement checks one
	}
	switch {
	case name == "":
		return fmt.Errorf("%s: empty name", kind)
	case !utf8.ValidString(name):
		return fmt.Errorf("%s %q: not UTF-8", kind, name)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%s %q: leading or trailing space", kind, name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%s %q: control character", kind, name)
	}
	return nil
}

// isPlain reports whether a name is of printable ASCII characters, without spaces, and not empty. It looks at eight
// characters at a time, since every placement asks.
func isPlain(name string) bool {
	if len(name) < 8 {
		plain := name != ""
		for i := 0; i < len(name); i++ {
			plain = plain && '!' <= name[i] && name[i] <= '~'
		}
		return plain
	}
	const each, high = 0x0101010101010101, 0x8080808080808080
	odd := uint64(0) // has the high bit of a byte outside '!' to '~', and perhaps of those above it
	for i := 0; i < len(name); i += 8 {
		w := eightOf(name[min(i, len(name)-8):])
		odd |= w | (w - '!'*each) | (w + each)
	}
	return odd&high == 0
}

// eightOf returns the first eight bytes of s as a number. The compiler makes one load of it.
func eightOf(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// appendFaults appends err to errs behind the name of what is at fault, fault by fault where several are
// joined, so that every line of the joined error says whose it is.
func appendFaults(errs []error, whose string, err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			errs = appendFaults(errs, whose, e)
		}
		return errs
	}
	if err == nil {
		return errs
	}
	return append(errs, fmt.Errorf("%s: %w", whose, err))
}

// Role is a tenant: a path such as "eng/search", whose shares add up at every level. The empty Role
// is the root, which every other role is below.
type Role string

// Err returns every fault of the path joined into one error, or nil. A segment is not empty, "." or
// "..", does not begin with "-", and holds no white space, control character or backslash (the rules of Mesos).
func (r Role) Err() error {
	if r == "" {
		return nil
	}
	var errs []error
	for seg := range strings.SplitSeq(string(r), "/") {
		switch {
		case seg == "":
			errs = append(errs, fmt.Errorf("role %q: empty segment", string(r)))
		case seg == "." || seg == "..":
			errs = append(errs, fmt.Errorf("role %q: segment %q is reserved", string(r), seg))
		case seg[0] == '-':
			errs = append(errs, fmt.Errorf("role %q: segment %q begins with '-'", string(r), seg))
		case !utf8.ValidString(seg):
			errs = append(errs, fmt.Errorf("role %q: segment %q is not UTF-8", string(r), seg))
		case strings.ContainsFunc(seg, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) || c == '\\' }):
			errs = append(errs, fmt.Errorf("role %q: segment %q holds white space, a control character or a backslash", string(r), seg))
		}
	}
	return errors.Join(errs...)
}

// Parent returns the role one level up; the parent of a top-level role is the root, and so is the root's.
func (r Role) Parent() Role {
	i := strings.LastIndexByte(string(r), '/')
	if i < 0 {
		return ""
	}
	return r[:i]
}

// Within reports whether a role is another or below it. Every role is within the root.
func (r Role) Within(top Role) bool {
	return top == "" || r == top || len(r) > len(top) && r[len(top)] == '/' && r[:len(top)] == top
}
