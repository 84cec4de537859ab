package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExported(t *testing.T) {
	var files []*ast.File
	for _, src := range []string{`package p
import "fmt"
const A, b = 1, 2
var (
	ErrX = fmt.Errorf("x")
	errY error
)
func Zed() {}
func hidden() {}
`, `package p
type Source interface {
	fmt.Stringer
	Commit(p, q int) error
	sealed()
}
type Tree[K, V any] struct{ Field int }
func (t *Tree[K, V]) Len() int { return 0 }
func (Tree[_, _]) len() int { return 0 }
type list []int
func (list) Len() int { return 0 }
type Alias = list
`} {
		f, err := parser.ParseFile(token.NewFileSet(), "p.go", src, 0)
		require.NoError(t, err)
		files = append(files, f)
	}
	names, types := exported(files)
	assert.Equal(t, []string{"A", "Alias", "ErrX", "Source", "Source.Commit", "Tree", "Tree.Len", "Zed"}, names)
	assert.Equal(t, 3, types)
}

func TestPublic(t *testing.T) {
	for _, c := range []struct {
		path, name string
		want       bool
	}{
		{"example.org/m", "m", true},
		{"example.org/m/scheduler/schedulertest", "schedulertest", true},
		{"example.org/m/benchmarks", "benchmarks", true},
		{"example.org/m/internal/store", "store", false},
		{"example.org/m/examples/raft/fsm", "fsm", false},
		{"example.org/m/bench", "bench", false},
		{"example.org/m/tool", "main", false},
	} {
		assert.Equal(t, c.want, public(c.path, c.name), c.path)
	}
}

func TestListOfThisModule(t *testing.T) {
	t.Chdir("../..")
	var b strings.Builder
	require.NoError(t, list(&b))
	got := b.String()
	assert.Contains(t, got, "\nberth.Resources.Plus\n")
	assert.Regexp(t, `(?m)^berth: \d+ names, \d+ of them types$`, got)
	assert.NotContains(t, got, "store.")
	assert.NotContains(t, got, "\nmain")
}
