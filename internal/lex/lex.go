// Package lex reads the pieces that the text forms of rules and of strategies are made of: words, names, quoted texts and what
// stands in parentheses.
package lex

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-sched/berth"
)

// Scanner is a text that is read from its beginning to its end.
type Scanner struct {
	Reader string // who reads it, as errors say
	Text   string
	Pos    int // in bytes; what is before it has been read
}

// FaultAt returns an error about what stands at an offset.
func (s *Scanner) FaultAt(offset int, format string, args ...any) error {
	return &berth.SyntaxError{Reader: s.Reader, Text: s.Text, Offset: offset, Err: fmt.Errorf(format, args...)}
}

// Fault returns an error about what comes next.
func (s *Scanner) Fault(format string, args ...any) error { return s.FaultAt(s.Pos, format, args...) }

// Peek returns the next byte, or 0 at the end.
func (s *Scanner) Peek() byte {
	if s.Pos == len(s.Text) {
		return 0
	}
	return s.Text[s.Pos]
}

// While passes over bytes.
func (s *Scanner) While(is func(byte) bool) {
	for s.Pos < len(s.Text) && is(s.Text[s.Pos]) {
		s.Pos++
	}
}

// Space passes over spaces.
func (s *Scanner) Space() { s.While(func(c byte) bool { return c == ' ' }) }

// Word reads what needs no quotes. It is "" if nothing of that kind comes next.
func (s *Scanner) Word() string {
	start := s.Pos
	s.While(IsBare)
	return s.Text[start:s.Pos]
}

// Quoted reads a text in double quotes.
func (s *Scanner) Quoted() (string, error) {
	if s.Peek() != '"' {
		return "", s.Fault("want a text in quotes")
	}
	quoted, err := strconv.QuotedPrefix(s.Text[s.Pos:])
	if err != nil {
		return "", s.Fault("the quotes do not end, or what is between them is not as Go writes it")
	}
	s.Pos += len(quoted)
	return strconv.Unquote(quoted)
}

// Name reads a word or a quoted text.
func (s *Scanner) Name() (string, error) {
	if s.Peek() == '"' {
		return s.Quoted()
	}
	name := s.Word()
	if name == "" {
		return "", s.Fault("want a name")
	}
	return name, nil
}

// SkipPair passes over parentheses, which come next, and what is between them.
func (s *Scanner) SkipPair() error {
	start := s.Pos
	for open := 0; s.Pos < len(s.Text); {
		switch s.Text[s.Pos] {
		case '"':
			if _, err := s.Quoted(); err != nil {
				return err
			}
			continue
		case '(':
			open++
		case ')':
			open--
		}
		if s.Pos++; open == 0 {
			return nil
		}
	}
	return s.FaultAt(start, "the parentheses do not end")
}

// PrintValue prints a number as it is, and text in quotes.
func PrintValue(v berth.Value) string {
	if _, number := v.Number(); number {
		return v.String()
	}
	return strconv.Quote(v.String())
}

// PrintName prints a name so that Name reads it back: bare where nothing in it could be taken for something else.
func PrintName(name string) string {
	for i := range len(name) {
		if !IsBare(name[i]) {
			return strconv.Quote(name)
		}
	}
	if name == "" {
		return strconv.Quote(name)
	}
	return name
}

// IsBare reports whether a name may have the byte without needing quotes.
func IsBare(c byte) bool { return IsLetter(c) || IsDigit(c) || strings.IndexByte("._-/:", c) >= 0 }

// IsLetter, IsDigit and IsSign know those of ASCII.
func IsLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func IsDigit(c byte) bool  { return '0' <= c && c <= '9' }
func IsSign(c byte) bool   { return c == '+' || c == '-' }
