package faults

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOf(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	assert.NoError(t, Of("x", nil))
	assert.NoError(t, Of("x", errors.Join()))
	assert.EqualError(t, Of("x", a), "x: a")
	nested := errors.Join(a, fmt.Errorf("y: %w", errors.Join(b, c)))
	err := Of("x", fmt.Errorf("z: %w", nested))
	assert.EqualError(t, err, "x: z: a\nx: z: y: b\nx: z: y: c")
	for _, fault := range []error{a, b, c} {
		assert.ErrorIs(t, err, fault)
	}
	assert.EqualError(t, Of("x", fmt.Errorf("%w, all of them", errors.Join(a, b))), "x: a\nb, all of them", "that is one fault")
}
