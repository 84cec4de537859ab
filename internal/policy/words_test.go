package policy

import (
	"path"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The root package is what everybody reads first: it has fewer than forty types. What is about a snapshot, a plan or an answer to a
// question has a package of its own.
func TestTheRootIsFewWords(t *testing.T) {
	const most = 39
	types, _ := exported(t, "internal", "examples", "bench")
	var words []string
	for name, d := range types {
		if path.Dir(d.file) == "." {
			words = append(words, name)
		}
	}
	slices.Sort(words)
	assert.NotEmpty(t, words)
	assert.LessOrEqual(t, len(words), most, "%v", words)
}
