// Package enum writes the values of an enumeration as words, and reads them.
package enum

import (
	"fmt"
	"strings"
)

// Word returns the word of a value, or an error that names the kind.
func Word[E ~uint8](kind string, words []string, e E) ([]byte, error) {
	if int(e) >= len(words) || words[e] == "" {
		return nil, fmt.Errorf("%s: no word for %d", kind, uint8(e))
	}
	return []byte(words[e]), nil
}

// Read sets e to the value of a word, or returns an error that names the kind and leaves it as it is.
func Read[E ~uint8](kind string, words []string, text []byte, e *E) error {
	for i, word := range words {
		if word == string(text) && word != "" {
			*e = E(i)
			return nil
		}
	}
	return fmt.Errorf("%s %q: unknown word, not one of %s", kind, text, strings.Join(words, ", "))
}
