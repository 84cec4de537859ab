package command

import (
	"bytes"
	"errors"
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(args ...string) (n int, s string, out string, err error) {
	flags := flag.NewFlagSet("c", flag.ContinueOnError)
	flags.IntVar(&n, "n", 1, "a number")
	flags.StringVar(&s, "s", "", "a `text`")
	var b bytes.Buffer
	err = Parse(flags, args, &b)
	return n, s, b.String(), err
}

func TestParse(t *testing.T) {
	n, s, out, err := parse("-n", "5", "-s=x")
	require.NoError(t, err)
	assert.Equal(t, 5, n)
	assert.Equal(t, "x", s)
	assert.Empty(t, out)
	_, _, _, err = parse()
	require.NoError(t, err)
}

func TestAllFaultsAtOnce(t *testing.T) {
	n, s, out, err := parse("-n", "many", "x", "-y", "---", "-", "--", "z", "-s", "text", "-n", "7", "-s")
	assert.EqualError(t, err, `invalid value "many" for flag -n: parse error
unexpected argument "x"
flag provided but not defined: -y
bad flag syntax: ---
unexpected argument "-"
unexpected argument "z"
flag needs an argument: -s`)
	assert.Equal(t, 7, n)
	assert.Equal(t, "text", s)
	assert.Empty(t, out)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestHelp(t *testing.T) {
	_, _, out, err := parse("-n", "many", "-h")
	assert.ErrorIs(t, err, flag.ErrHelp)
	assert.Equal(t, "Usage of c:\n  -n int\n    \ta number (default 1)\n  -s text\n    \ta text\n", out)

	flags := flag.NewFlagSet("c", flag.ContinueOnError)
	assert.EqualError(t, Parse(flags, []string{"-help"}, full{}), "full")
}
