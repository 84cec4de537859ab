package deploy

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// step is an instruction of a Dockerfile.
type step struct{ word, rest string }

func steps(t *testing.T) (out []step) {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	for _, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			word, rest, _ := strings.Cut(line, " ")
			out = append(out, step{word, rest})
		}
	}
	return out
}

// The steps of the Dockerfile are carried out in a folder that stands for the root of the image: on what git has of the repository, for that is
// what the context of a build is at most. What comes out is a program that needs nothing else of its image, for the second one has nothing.
func TestImage(t *testing.T) {
	all := steps(t)
	root, run, images := t.TempDir(), t.TempDir(), 0
	workdir, built := "/", ""
	at := func(path string) string { return filepath.Join(root, path) }
	for _, s := range all {
		switch s.word {
		case "FROM":
			if images++; images == 1 {
				version := strings.TrimPrefix(strings.Fields(s.rest)[0], "golang:")
				mod, err := os.ReadFile("../../examples/kubernetes/go.mod")
				require.NoError(t, err)
				assert.Contains(t, string(mod), "\ngo "+version+".", "the module asks for another Go than the image has")
			} else {
				assert.Contains(t, s.rest, "/static", "an image without a shell, a C library and anything else")
				workdir = "/"
			}
		case "WORKDIR":
			workdir = s.rest
		case "COPY":
			fields := strings.Fields(s.rest)
			if !strings.HasPrefix(s.rest, "--from=build ") {
				require.Equal(t, ". .", s.rest)
				if testing.Short() {
					continue
				}
				require.NoError(t, os.MkdirAll(at(workdir), 0o755))
				files := exec.Command("sh", "-c", "git ls-files -z | xargs -0 cp --parents -t "+at(workdir))
				files.Dir = "../.."
				if out, err := files.CombinedOutput(); err != nil {
					t.Skipf("no repository to copy: %v: %s", err, out)
				}
				continue
			}
			require.Len(t, fields, 3)
			assert.Equal(t, built, fields[1], "what is copied is what was built")
			if !testing.Short() {
				require.NoError(t, os.Rename(at(fields[1]), filepath.Join(run, fields[2])))
			}
		case "RUN":
			before, rest, found := strings.Cut(s.rest, " -o ")
			require.True(t, found, s.rest)
			to, rest, _ := strings.Cut(rest, " ")
			built = to
			if testing.Short() {
				continue
			}
			build := exec.Command("sh", "-c", before+" -o "+at(to)+" "+rest)
			build.Dir = at(workdir)
			out, err := build.CombinedOutput()
			require.NoError(t, err, "%s", out)
		case "ENTRYPOINT":
			assert.Equal(t, `["/berth-extender"]`, s.rest, "without a shell, there is only the form of a list")
			assert.Equal(t, "/berth-extender", built)
			if testing.Short() {
				continue
			}
			program := filepath.Join(run, built)
			help := exec.Command(program, "-h")
			help.Env = []string{} // as in an empty image
			out, err := help.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Contains(t, string(out), "-leader-elect")
			if runtime.GOOS == "linux" {
				f, err := elf.Open(program)
				require.NoError(t, err)
				defer f.Close() // it is only read
				libraries, err := f.ImportedLibraries()
				require.NoError(t, err)
				assert.Empty(t, libraries)
				for _, p := range f.Progs {
					assert.NotEqual(t, elf.PT_INTERP, p.Type, "it would need a loader")
				}
			}
		default:
			t.Errorf("a step that is not known here: %v", s)
		}
	}
	assert.Equal(t, 2, images)
}
