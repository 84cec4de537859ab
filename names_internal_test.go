package berth

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckName(t *testing.T) {
	for name, want := range map[string]string{
		"web-1": "", "~!": "", "a b": "", "日本": "", "a\u200bb": "",
		"":         `task: empty name`,
		" a":       `task " a": leading or trailing space`,
		"a\u00a0":  `task "a\u00a0": leading or trailing space`,
		"\t":       `task "\t": leading or trailing space`,
		"a\nb":     `task "a\nb": control character`,
		"a\x7fb":   `task "a\x7fb": control character`,
		"a\u0085b": `task "a\u0085b": control character`,
		"a\xc3":    `task "a\xc3": not UTF-8`,
	} {
		if err := checkName("task", name); want == "" {
			assert.NoError(t, err, "%q", name)
		} else {
			assert.EqualError(t, err, want)
		}
	}
}

func TestIsPlainWhereverTheOddCharacterIs(t *testing.T) {
	for n := 1; n <= 25; n++ {
		name := []byte(strings.Repeat("a", n))
		assert.True(t, isPlain(string(name)), n)
		for at := range name {
			for c := range 256 {
				name[at] = byte(c)
				assert.Equal(t, '!' <= c && c <= '~', isPlain(string(name)), "%q", name)
			}
			name[at] = 'z'
		}
	}
}
