package trace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/bench/trace"
)

// A broken quote is told where it is, and hides nothing of the lines after it.
func TestFault25BrokenQuote(t *testing.T) {
	const header = "sn,cpu_milli,memory_mib,gpu,model\n"
	const unclosed, inner, bare = `extraneous or missing " in quoted-field`, `extraneous or missing " in quoted-field`, `bare " in non-quoted-field`
	for name, c := range map[string]struct{ in, want string }{
		"never closed":             {header + "n1,1,1,0,\"a\nn2,1,1,0,\nn3,1,1,0,\n", "f.csv:2:13: " + unclosed},
		"closed by a later one":    {header + "n1,1,1,0,\"a\nn2,1,1,0,\n\"n3\",1,1,0,\n", "f.csv:2:13: " + unclosed},
		"two of them":              {header + "n1,1,1,0,\"\n\"n2,1,1,0,\n", "f.csv:2:12: " + unclosed + "\nf.csv:3:12: " + unclosed},
		"and another fault later":  {header + "n1,1,1,0,\"a\nn2,x,1,0,\n", "f.csv:2:13: " + unclosed + "\nf.csv:3:4: cpu_milli \"x\": not a whole number"},
		"text behind the closing":  {header + "n0,1,1,0,\nn1,1,1,0,\"a\"b\n", "f.csv:3:12: " + inner},
		"within a plain field":     {header + "n1,1,1,0,a\"\n", "f.csv:2:11: " + bare},
		"in the header":            {"sn,\"cpu_milli,memory_mib,gpu,model\nn1,1,1,0,\n", "f.csv:1:36: " + unclosed},
		"in a column nobody reads": {"x," + header + "\"a,n1,1,1,0,\nb,n2,1,1,0,\n", "f.csv:2:14: " + unclosed},
		"a line break in quotes":   {header + "n1,1,1,0,\"a\nb\"\n", "f.csv:2:13: " + unclosed + "\nf.csv:3:2: " + bare},
		"in a Windows file":        {"sn,cpu_milli,memory_mib,gpu,model\r\n\r\nn1,1,1,0,\"a\r\n", "f.csv:3:13: " + unclosed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := trace.ReadNodes("f.csv", strings.NewReader(c.in))
			assert.EqualError(t, err, c.want)
		})
	}
	nodes, err := trace.ReadNodes("f.csv", strings.NewReader(header+"\"n\"\"1\"\"\",\"1\",1,\"1\",\"a,\"\"b\"\"\"\n\"n2\",1,1,0,\"\"\r\n"))
	require.NoError(t, err, "what is quoted as it should be is read")
	assert.Equal(t, `n"1"`, nodes[0].ID)
	assert.Equal(t, `a,"b"`, nodes[0].Devices[0].Model)
	assert.Equal(t, "n2", nodes[1].ID)
}

// A file that was cut anywhere within a line is refused: what is left of a number is a number.
func TestFault25FileCutShort(t *testing.T) {
	const nodes = "sn,cpu_milli,memory_mib,gpu,model\nn1,64000,262144,2,P100\nn2,32000,1024,8,V100\n"
	const pods = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,scheduled_time\np1,12000,16384,1,460,9437497\np2,500,0,0,0,9437498\n"
	readNodes := func(text string) (int, error) {
		n, err := trace.ReadNodes("f.csv", strings.NewReader(text))
		return len(n), err
	}
	readPods := func(text string) (int, error) {
		p, err := trace.ReadPods("f.csv", strings.NewReader(text))
		return len(p), err
	}
	for _, c := range []struct {
		text string
		read func(string) (int, error)
	}{{nodes, readNodes}, {pods, readPods}} {
		for end := 1; end <= len(c.text); end++ {
			whole := strings.Count(c.text[:end], "\n")
			n, err := c.read(c.text[:end])
			if c.text[end-1] == '\n' {
				require.NoError(t, err, c.text[:end])
				assert.Equal(t, whole-1, n)
				continue
			}
			require.ErrorContains(t, err, "no line break at the end: the file is cut short", c.text[:end])
			require.Equal(t, 1, strings.Count(err.Error(), "f.csv"), "one fault is enough: %v", err)
			require.Contains(t, err.Error(), "f.csv:"+string(rune('1'+whole))+": ")
		}
	}
	_, err := readPods("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np1,x,1,0,0\np2,1,1,0,0")
	assert.EqualError(t, err, "f.csv:2:4: cpu_milli \"x\": not a whole number\nf.csv:3: no line break at the end: the file is cut short")
}

// The published files all end as they should.
func TestFault25PublishedFilesAreWhole(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(data, "openb_*.csv"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("the openb trace is not beside this repository")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		read := func(text string) error { _, err := trace.ReadPods(file, strings.NewReader(text)); return err }
		if strings.Contains(file, "node_list") {
			read = func(text string) error { _, err := trace.ReadNodes(file, strings.NewReader(text)); return err }
		}
		assert.NoError(t, read(string(text)))
		assert.Error(t, read(string(text[:len(text)-2])), "cut within the last column of %s", file)
	}
}
