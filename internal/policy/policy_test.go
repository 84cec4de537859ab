// Package policy holds the test that keeps the arrows between this module's packages pointing one way.
package policy

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// policy says who may import whom, in the manner of the standard library's go/build/deps_test.go:
//
//	a, b < c, d;
//
// means that c and d may import a and b. Several rules for a package add up; what no rule allows is
// forbidden, and nothing follows from another rule: a < b and b < c do not let c import a. A package
// that no rule has on its right side is a package whose place nobody has decided, and fails the test.
//
//	std          the standard library
//	berth        the root package
//	x, x/y       the package in that folder of the module
//	x/...        that package and all below it; module/... is every package of the module
//	github.com/… a package of another module
//	test         files that test a package from inside, beyond what the package itself may import
//	test outside files that test it from outside, as package x_test, likewise
//
// Think before you relax a rule to make a build pass: each package here answers one question, and is
// useful to a host that takes no other.
const policy = `
	# The words. They need nothing but the standard library.
	std < berth;

	# How things are kept and checked.
	std < internal/...;
	berth < internal/codec, internal/explain, internal/lex, internal/store, internal/fit, internal/checked, internal/whole;
	cluster < internal/whole;
	internal/explain, internal/store < internal/fit, internal/checked;
	internal/fit < internal/checked;

	# What is where.
	std, berth, internal/... < cluster;

	# Where not, where best, whose turn, out of what: four questions, no answer needs another's.
	std, berth, internal/... < constraints, placement, allocator, offers;
	cluster < placement, offers;
	github.com/google/btree < allocator, offers;

	# Do it. May use all of them; nobody uses it but hosts.
	std, berth, internal/..., cluster, constraints, placement, allocator, offers < scheduler;
	github.com/google/btree, github.com/hashicorp/go-hclog, golang.org/x/sync/... < scheduler;

	# What a host's tests import to check a Source of its own.
	std, berth, cluster, scheduler < scheduler/schedulertest;
	github.com/stretchr/testify/... < scheduler/schedulertest;

	# Programs that show or measure the rest.
	std, module/... < examples/..., bench/..., docs;

	# Tests from inside would tie packages together as the packages' own imports do; tests from outside do not.
	internal/script, github.com/stretchr/testify/... < test;
	module/..., github.com/stretchr/testify/..., golang.org/x/sync/... < test outside;
`

// direct lists the only modules that go.mod may require directly: a host downloads what we require.
var direct = []string{
	"github.com/google/btree",
	"github.com/hashicorp/go-hclog",
	"github.com/stretchr/testify",
	"golang.org/x/sync",
}

func TestImports(t *testing.T) {
	faults, err := check(os.DirFS("../.."), policy)
	require.NoError(t, err)
	for _, f := range faults {
		t.Error(f)
	}
}

func TestDirectRequirements(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	for _, m := range directRequirements(string(text)) {
		assert.Contains(t, direct, m, "go.mod requires a module that hosts should not have to download; a nested module may")
	}
}

// rule is one line of the policy, "imports < importers".
type rule struct{ imports, importers []string }

func parsePolicy(text string) ([]rule, error) {
	var plain strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		plain.WriteString(line + " ")
	}
	var rules []rule
	for s := range strings.SplitSeq(plain.String(), ";") {
		if strings.TrimSpace(s) == "" {
			continue
		}
		left, right, ok := strings.Cut(s, "<")
		if !ok || strings.Contains(right, "<") {
			return nil, fmt.Errorf("policy: %q: want one <", strings.TrimSpace(s))
		}
		r := rule{names(left), names(right)}
		if slices.Contains(r.imports, "") || slices.Contains(r.importers, "") {
			return nil, fmt.Errorf("policy: %q: empty name", strings.TrimSpace(s))
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func names(list string) []string {
	var out []string
	for n := range strings.SplitSeq(list, ",") {
		out = append(out, strings.Join(strings.Fields(n), " "))
	}
	return out
}

// matches reports whether a name of the policy stands for the package.
func matches(name, pkg string) bool {
	if below, ok := strings.CutSuffix(name, "/..."); ok {
		return pkg == below || strings.HasPrefix(pkg, below+"/")
	}
	return name == pkg
}

// allowed returns what the policy lets an importer import, and whether the policy knows the importer at all.
func allowed(rules []rule, importer string) (imports []string, known bool) {
	for _, r := range rules {
		if slices.ContainsFunc(r.importers, func(n string) bool { return matches(n, importer) }) {
			imports, known = append(imports, r.imports...), true
		}
	}
	return imports, known
}

// check returns a message for each import of the module in fsys that the policy does not allow. It reads
// the files themselves and not the build's list of them, so that build tags hide nothing.
func check(fsys fs.FS, policy string) (faults []string, err error) {
	rules, err := parsePolicy(policy)
	if err != nil {
		return nil, err
	}
	gomod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, err
	}
	module := modulePath(string(gomod))
	if module == "" {
		return nil, errors.New("go.mod names no module")
	}
	undecided := map[string]bool{}
	err = fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skip(fsys, file)
		case path.Ext(file) != ".go":
			return nil
		}
		src, err := fs.ReadFile(fsys, file)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		importer := short(module, path.Join(module, path.Dir(file)))
		may, known := allowed(rules, importer)
		if !known {
			if !undecided[importer] {
				undecided[importer] = true
				faults = append(faults, fmt.Sprintf("%s: no rule of the policy is about package %s; decide what it may import", file, importer))
			}
			return nil
		}
		if strings.HasSuffix(file, "_test.go") {
			kind := "test"
			if strings.HasSuffix(f.Name.Name, "_test") {
				kind = "test outside"
			}
			more, _ := allowed(rules, kind)
			may = append(may, more...)
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(may, func(n string) bool { return permits(n, module, imported) }) {
				faults = append(faults, fmt.Sprintf("%s: %s must not import %s; the policy lets it import %s",
					fset.Position(spec.Pos()), importer, short(module, imported), strings.Join(may, ", ")))
			}
		}
		return nil
	})
	return faults, err
}

// permits reports whether a name on the left of a rule stands for the imported package.
func permits(name, module, imported string) bool {
	own := imported == module || strings.HasPrefix(imported, module+"/")
	switch name {
	case "module/...":
		return own
	case "std":
		// As the go command has it: only the standard library's paths begin without a dot. cgo's "C" is no
		// package of it; a library for bare machines does without.
		first, _, _ := strings.Cut(imported, "/")
		return !strings.Contains(first, ".") && imported != "C"
	}
	return matches(name, short(module, imported))
}

// short returns the policy's name of a package: its folder, "berth" for the root, the path of another module's.
func short(module, importPath string) string {
	if importPath == module {
		return "berth"
	}
	return strings.TrimPrefix(importPath, module+"/")
}

// skip leaves out the folders the go command ignores, and nested modules, whose company is their own.
func skip(fsys fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	base := path.Base(dir)
	if base == "testdata" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func modulePath(gomod string) string {
	for line := range strings.Lines(gomod) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "module" {
			return f[1]
		}
	}
	return ""
}

// directRequirements returns the modules required without an "// indirect" comment.
func directRequirements(gomod string) []string {
	var modules []string
	block := false
	for line := range strings.Lines(gomod) {
		spec, comment, _ := strings.Cut(line, "//")
		f := strings.Fields(spec)
		switch {
		case len(f) == 0:
			continue
		case f[0] == ")":
			block = false
			continue
		case f[0] == "require" && f[1] == "(":
			block = true
			continue
		case f[0] == "require":
			f = f[1:]
		case !block:
			continue
		}
		if !strings.HasPrefix(strings.TrimSpace(comment), "indirect") {
			modules = append(modules, f[0])
		}
	}
	return modules
}

func TestCheckFindsForbiddenImports(t *testing.T) {
	const module = "github.com/berth-sched/berth"
	const own = module + "/"
	const tail = "; the policy lets it import "
	for _, c := range []struct {
		name, file, pkg string
		imports         []string
		want            string // how the one fault begins; empty for none
	}{
		{"root, std", "node.go", "berth", []string{"fmt", "go/ast"}, ""},
		{"root, other internal", "node.go", "berth", []string{own + "internal/script"}, "node.go:2:8: berth must not import internal/script" + tail + "std"},
		{"root, dependency", "node.go", "berth", []string{"github.com/google/btree"}, "node.go:2:8: berth must not import github.com/google/btree" + tail},
		{"store, root", "internal/store/x.go", "store", []string{"fmt", module}, ""},
		{"store, what uses it", "internal/store/x.go", "store", []string{own + "cluster"}, "internal/store/x.go:2:8: internal/store must not import cluster" + tail},
		{"script, root", "internal/script/x.go", "script", []string{module}, "internal/script/x.go:2:8: internal/script must not import berth" + tail + "std"},
		{"siblings", "placement/x.go", "placement", []string{own + "constraints"}, "placement/x.go:2:8: placement must not import constraints" + tail},
		{"upwards", "offers/x.go", "offers", []string{own + "scheduler"}, "offers/x.go:2:8: offers must not import scheduler" + tail},
		{"sibling in a test inside", "offers/x_test.go", "offers", []string{own + "allocator"}, "offers/x_test.go:2:8: offers must not import allocator" + tail},
		{"sibling in a test outside", "offers/x_test.go", "offers_test", []string{own + "allocator", own + "scheduler"}, ""},
		{"btree where it belongs", "allocator/x.go", "allocator", []string{"github.com/google/btree"}, ""},
		{"btree elsewhere", "placement/x.go", "placement", []string{"github.com/google/btree"}, "placement/x.go:2:8: placement must not import github.com/google/btree" + tail},
		{"testify in a test", "berth_test.go", "berth", []string{"github.com/stretchr/testify/require"}, ""},
		{"script in a test", "berth_test.go", "berth", []string{own + "internal/script"}, ""},
		{"testify in a library", "scheduler/x.go", "scheduler", []string{"github.com/stretchr/testify/require"}, "scheduler/x.go:2:8: scheduler must not import github.com/stretchr/testify/require" + tail},
		{"testify in the kit", "scheduler/schedulertest/x.go", "schedulertest", []string{"testing", "github.com/stretchr/testify/require", own + "scheduler"}, ""},
		{"scheduler", "scheduler/x.go", "scheduler", []string{own + "placement", "golang.org/x/sync/errgroup", "github.com/hashicorp/go-hclog"}, ""},
		{"a module nobody chose", "scheduler/x_test.go", "scheduler_test", []string{"example.org/x"}, "scheduler/x_test.go:2:8: scheduler must not import example.org/x" + tail},
		{"a name that only begins alike", "scheduler/x.go", "scheduler", []string{"golang.org/x/syncopate"}, "scheduler/x.go:2:8: scheduler must not import golang.org/x/syncopate" + tail},
		{"cgo", "placement/x.go", "placement", []string{"C"}, "placement/x.go:2:8: placement must not import C" + tail},
		{"examples", "examples/quickstart/main.go", "main", []string{own + "scheduler", own + "offers", "os"}, ""},
		{"undecided package", "util/x.go", "util", nil, "util/x.go: no rule of the policy is about package util"},
		{"hidden by a build tag", "placement/x_plan9.go", "placement", []string{own + "offers"}, "placement/x_plan9.go:2:8: placement must not import offers" + tail},
		{"test data", "placement/testdata/x.go", "main", []string{"example.org/x"}, ""},
		{"nested module", "nested/x.go", "nested", []string{"example.org/x"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := "package " + c.pkg + "\n"
			for _, i := range c.imports {
				src += fmt.Sprintf("import %q\n", i)
			}
			faults, err := check(fstest.MapFS{
				"go.mod":        {Data: []byte("module " + module + "\n")},
				"nested/go.mod": {Data: []byte("module example.org/nested\n")},
				c.file:          {Data: []byte(src)},
			}, policy)
			require.NoError(t, err)
			if c.want == "" {
				assert.Empty(t, faults)
				return
			}
			require.Len(t, faults, 1)
			assert.True(t, strings.HasPrefix(faults[0], c.want), faults[0])
		})
	}
}

func TestParsePolicy(t *testing.T) {
	rules, err := parsePolicy("# why\n a, b/... < c; # more\n\td <\n test  outside , e;\n")
	require.NoError(t, err)
	assert.Equal(t, []rule{{[]string{"a", "b/..."}, []string{"c"}}, {[]string{"d"}, []string{"test outside", "e"}}}, rules)

	for _, bad := range []string{"a, b", "a < b < c", "a, < b", "< b", "a <"} {
		_, err := parsePolicy(bad)
		assert.ErrorContains(t, err, "policy: ", bad)
	}
}

func TestReadDirectRequirements(t *testing.T) {
	const gomod = `module m

go 1.26.0

require example.org/one v1.0.0
require (
	example.org/two v1.0.0 // wanted for its tree
	example.org/three v1.0.0 // indirect
)

require (
	example.org/four v1.0.0
	// example.org/five v1.0.0
)

replace example.org/six => ../six
`
	assert.Equal(t, []string{"example.org/one", "example.org/two", "example.org/four"}, directRequirements(gomod))
}
