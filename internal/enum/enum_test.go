package enum

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWords(t *testing.T) {
	type color uint8
	words := []string{"red", "", "blue"}
	text, err := Word("color", words, color(2))
	assert.NoError(t, err)
	assert.Equal(t, "blue", string(text))
	for _, none := range []color{1, 3} {
		_, err = Word("color", words, none)
		assert.ErrorContains(t, err, "color: no word for")
	}
	c := color(9)
	assert.EqualError(t, Read("color", words, []byte("green"), &c), `color "green": unknown word, not one of red, , blue`)
	assert.Error(t, Read("color", words, nil, &c))
	assert.Equal(t, color(9), c)
	assert.NoError(t, Read("color", words, []byte("blue"), &c))
	assert.Equal(t, color(2), c)
}
