package constraints

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// faults are what is wrong with a rule, one fault per line: text and not errors, so that rules stay
// comparable.
type faults string

// add adds those of some texts that are not empty. Many are best added at once: each call copies what there is.
func (f *faults) add(more ...string) {
	var b strings.Builder
	for _, fault := range more {
		if fault != "" {
			b.WriteString(strings.ReplaceAll(fault, "\n", `\n`) + "\n")
		}
	}
	*f += faults(b.String())
}

// addAll adds what an error joins.
func (f *faults) addAll(err error) {
	if err != nil {
		f.add(strings.Split(strings.TrimSuffix(err.Error(), "\n"), "\n")...)
	}
}

// shortened returns how a rule prints, cut where it is long: each of its faults says it, and there may be as many as it has parts.
func shortened(rule string) string {
	const most = 400
	if len(rule) <= most {
		return rule
	}
	return strings.ToValidUTF8(rule[:most], "") + "..."
}

// err returns the faults, each with the rule's name, as one error, or nil.
func (f faults) err(rule fmt.Stringer) error {
	if f == "" {
		return nil
	}
	text := shortened(rule.String())
	var errs []error
	for fault := range strings.Lines(string(f)) {
		errs = append(errs, fmt.Errorf("constraint %s: %s", text, strings.TrimSuffix(fault, "\n")))
	}
	return errors.Join(errs...)
}

// checkName says what is wrong with the name of an attribute or a taint. No node can have one that
// fails, so a rule about it would silently never match.
func checkName(kind, name string) string {
	switch {
	case name == "":
		return "empty " + kind
	case !utf8.ValidString(name):
		return fmt.Sprintf("%s %q is not UTF-8", kind, name)
	case strings.TrimSpace(name) != name:
		return fmt.Sprintf("%s %q has leading or trailing space", kind, name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Sprintf("%s %q has a control character", kind, name)
	}
	return ""
}

// atLeastOne says that n is not, if so.
func atLeastOne(what string, n int) string {
	if n < 1 {
		return fmt.Sprintf("%s %d is less than 1", what, n)
	}
	return ""
}
