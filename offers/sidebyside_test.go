package offers_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/internal/script"
)

// The scripts in testdata/mesos are scenarios of Apache Mesos' allocator tests and its known faults. Each runs three times at once: in Mesos'
// own allocator as internal/mesos has it, in an Exchange that is as near to it as can be (Mesos' order in float64, nothing declared, Books
// that are blind, leases of a year), and in an Exchange as it is by itself. What they do alike is written once; where they differ,
// each says its own, and the script has named the kind of the difference before.
//
//	with by-need | exclude=NAME | scarce=NAME | whole=NAME | least=(R, ...) | gather=N   begins anew; by-need: an Exchange's order is
//	                                  by what is guaranteed first; least: what is offered has one of these at least; gather: so many nodes
//	                                  may be kept for what is too large, in an Exchange as it is
//	node ID R... [used=(F:R, ...)]    a node joins, of which a framework uses some; one that has not joined is a role of its own
//	join F role=R [of=F] [scarce=yes] [wants=R] [tasks=N] [lasts=TICKS] [does=idle|busy|hoard] [times=N]
//	tick                              a second passes
//	decline F NODE [for=2s]
//	launch F NODE TASK... R [for=2s]  of R each; of the rest: as if it were declined
//	end TASK
//	describe NODE                     it has other attributes
//	weight ROLE W
//	quota ROLE [guarantee=R] [limit=R]
//	suppress F, revive F
//	least F [(R, ...)]                what it is offered has one of these at least, whatever holds for the others; none: anything is offered
//	rounds N                          N times: a tick, and everybody gives back all he has; how often each had an offer
//	run N                             N times: a tick, and everybody does what he does; how many tasks of each were started
//	shares ROLE...
//	deviates KIND                     differences are of this kind from here on
//
// R is amounts such as cpu=2 memory=1024, or joined by colons where they are one word. The result of a command that can bring offers is the
// offers that were made.
func TestSideBySide(t *testing.T) {
	script.RunAll(t, "testdata/mesos/*.txt", func(t *testing.T) func(*testing.T, script.Command) string {
		p := &plays{}
		p.begin(t, script.Command{})
		t.Cleanup(func() { require.True(t, p.differed || p.deviates == "", "it deviates nowhere") })
		return p.do
	})
}

// player is one of the three.
type player interface {
	node(id string, r res, used map[string]res)
	join(f actor)
	tick()
	decline(f, node string, d time.Duration)
	// launch starts tasks of r each on what was offered of a node, and declines the rest.
	launch(f, node string, tasks []string, r res, d time.Duration)
	end(task string)
	describe(node string)
	weight(role string, thousandths int64)
	quota(role string, guarantee, limit res)
	suppress(f string)
	revive(f string)
	// least gives a framework a minimum of its own of what it is offered; none is none.
	least(f string, least []res)
	share(role string) float64
	// offered is what a framework was offered, by node.
	offered(f string) map[string]res
	// made is the offers that were made since it was asked last.
	made() []string
}

// actor is a framework, with what it does by itself.
type actor struct {
	name, role string
	of         string // the framework that it is another role of, in which Mesos' allocator has it as this one in that
	scarce     bool
	wants      res
	tasks      int
	does       string
	lasts      int
}

// act is what one player has of an actor.
type act struct {
	started int
	ends    map[int][]string // tasks by when they end
	had     int              // ticks in which it had an offer
}

type plays struct {
	names    []string
	players  []player
	cast     []actor
	acts     []map[string]*act // by player and framework
	at       int
	deviates string
	differed bool
}

func (p *plays) begin(t *testing.T, cmd script.Command) {
	p.names = []string{"mesos", "compatible", "berth"}
	p.players = []player{newMesosPlayer(t, cmd), newBerthPlayer(t, cmd, true), newBerthPlayer(t, cmd, false)}
	p.cast, p.at = nil, 0
	p.acts = []map[string]*act{{}, {}, {}}
}

// amounts reads "cpu=2", each with up to three digits behind the point.
func amounts(t *testing.T, pos string, words ...string) res {
	r := res{}
	for _, w := range words {
		for one := range strings.SplitSeq(w, ":") {
			name, v, ok := strings.Cut(one, "=")
			require.True(t, ok, "%s: %q", pos, one)
			x, err := strconv.ParseFloat(v, 64)
			require.NoError(t, err, pos)
			r[name] = int64(x*1000 + 0.5)
		}
	}
	return r
}

// keyed returns the amounts among the arguments of a command.
func keyed(t *testing.T, cmd script.Command, not ...string) res {
	var words []string
	for _, a := range cmd.Args {
		if a.Key != "" && !slices.Contains(not, a.Key) {
			words = append(words, a.Key+"="+a.Values[0])
		}
	}
	return amounts(t, cmd.Pos, words...)
}

func (p *plays) do(t *testing.T, cmd script.Command) string {
	args := cmd.Positional()
	optional := func(key string) res {
		if v := cmd.Value(key); v != "" {
			return amounts(t, cmd.Pos, v)
		}
		return nil
	}
	refuse := time.Duration(0)
	if v := cmd.Value("for"); v != "" {
		var err error
		refuse, err = time.ParseDuration(v)
		require.NoError(t, err, cmd.Pos)
	}
	number := func(key string, otherwise int) int {
		if v := cmd.Value(key); v != "" {
			n, err := strconv.Atoi(v)
			require.NoError(t, err, cmd.Pos)
			return n
		}
		return otherwise
	}
	each := func(do func(player)) string {
		return p.each(t, cmd, func(i int) string {
			do(p.players[i])
			if made := p.players[i].made(); len(made) > 0 {
				return strings.Join(made, "\n")
			}
			return "none"
		})
	}
	quiet := func(do func(player)) string {
		for _, one := range p.players {
			do(one)
		}
		return "ok"
	}
	switch cmd.Name {
	case "with":
		p.begin(t, cmd)
		return "ok"
	case "deviates":
		if p.deviates != "" {
			require.True(t, p.differed, "%s: there was no %s", cmd.Pos, p.deviates)
		}
		p.deviates, p.differed = args[0], false
		return "ok"
	case "node":
		used := map[string]res{}
		for _, u := range cmd.Values("used") {
			f, r, ok := strings.Cut(u, ":")
			require.True(t, ok, cmd.Pos)
			used[f] = amounts(t, cmd.Pos, r)
		}
		r := keyed(t, cmd, "used")
		return each(func(one player) { one.node(args[0], r, used) })
	case "join":
		f := actor{name: args[0], role: cmd.Value("role"), of: cmd.Value("of"), scarce: cmd.Value("scarce") == "yes", wants: optional("wants"),
			tasks: number("tasks", 0), does: cmd.Value("does"), lasts: number("lasts", 0)}
		if times := number("times", 0); times > 0 {
			for i := range times {
				one := f
				one.name, one.role = fmt.Sprintf("%s%d", f.name, i), fmt.Sprintf("%s%d", f.role, i)
				p.cast = append(p.cast, one)
				quiet(func(on player) { on.join(one) })
			}
			quiet(func(on player) { on.made() })
			return "ok"
		}
		p.cast = append(p.cast, f)
		return each(func(one player) { one.join(f) })
	case "tick":
		p.at++
		return each(func(one player) { one.tick() })
	case "decline":
		return quiet(func(one player) { one.decline(args[0], args[1], refuse) })
	case "launch":
		r := keyed(t, cmd, "for")
		return quiet(func(one player) { one.launch(args[0], args[1], args[2:], r, refuse) })
	case "end":
		return quiet(func(one player) { one.end(args[0]) })
	case "describe":
		return each(func(one player) { one.describe(args[0]) })
	case "weight":
		w, err := strconv.ParseFloat(args[1], 64)
		require.NoError(t, err, cmd.Pos)
		return quiet(func(one player) { one.weight(args[0], int64(w*1000+0.5)) })
	case "quota":
		return quiet(func(one player) { one.quota(args[0], optional("guarantee"), optional("limit")) })
	case "suppress":
		return quiet(func(one player) { one.suppress(args[0]) })
	case "least":
		var least []res
		for _, v := range args[1:] {
			least = append(least, amounts(t, cmd.Pos, v))
		}
		return quiet(func(one player) { one.least(args[0], least) })
	case "revive":
		return each(func(one player) { one.revive(args[0]) })
	case "shares":
		return p.each(t, cmd, func(i int) string {
			var out []string
			for _, role := range args {
				out = append(out, fmt.Sprintf("%s %.4g", role, p.players[i].share(role)))
			}
			return strings.Join(out, ", ")
		})
	case "rounds", "run":
		n, err := strconv.Atoi(args[0])
		require.NoError(t, err, cmd.Pos)
		return p.each(t, cmd, func(i int) string {
			for k := range n {
				p.players[i].tick()
				p.turn(t, i, p.at+k+1, cmd.Name == "rounds")
			}
			p.players[i].made()
			if i == len(p.players)-1 {
				p.at += n
			}
			return p.told(i, cmd.Name == "rounds")
		})
	}
	require.Fail(t, "unknown command", "%s: %s", cmd.Pos, cmd.Name)
	return ""
}

func (p *plays) act(i int, f string) *act {
	if p.acts[i][f] == nil {
		p.acts[i][f] = &act{ends: map[int][]string{}}
	}
	return p.acts[i][f]
}

// turn lets everybody do what he does with his offers.
func (p *plays) turn(t *testing.T, i, at int, returns bool) {
	one := p.players[i]
	for _, f := range p.cast {
		a := p.act(i, f.name)
		for _, task := range a.ends[at] {
			one.end(task)
		}
		delete(a.ends, at)
		offered := one.offered(f.name)
		nodes := make([]string, 0, len(offered))
		for n := range offered {
			nodes = append(nodes, n)
		}
		slices.Sort(nodes)
		if a.had += len(nodes); returns {
			for _, n := range nodes {
				one.decline(f.name, n, 0)
			}
			continue
		}
		for _, n := range nodes {
			switch f.does {
			case "idle":
				one.decline(f.name, n, 5*time.Second)
			case "busy":
				var tasks []string
				for left := offered[n].Clone(); left.Covers(f.wants) && (f.tasks == 0 || a.started < f.tasks); a.started++ {
					tasks = append(tasks, fmt.Sprintf("%s-%d", f.name, a.started))
					for name, q := range f.wants {
						left[name] -= q
					}
				}
				if len(tasks) == 0 {
					one.decline(f.name, n, 5*time.Second)
					continue
				}
				one.launch(f.name, n, tasks, f.wants, 0)
				if f.lasts > 0 {
					a.ends[at+f.lasts] = append(a.ends[at+f.lasts], tasks...)
				}
			case "hoard":
			default:
				require.Fail(t, "nothing to do", f.name)
			}
		}
	}
}

func (p *plays) told(i int, returns bool) string {
	var out []string
	for _, f := range p.cast {
		a := p.act(i, f.name)
		switch {
		case returns:
			out = append(out, fmt.Sprintf("%s was offered %d", f.name, a.had))
		case f.does == "busy":
			out = append(out, fmt.Sprintf("%s started %d tasks", f.name, a.started))
		}
		a.had = 0
	}
	return strings.Join(out, ", ")
}

// each asks all three, and groups those that say the same.
func (p *plays) each(t *testing.T, cmd script.Command, ask func(i int) string) string {
	var said []string
	who := map[string][]string{}
	for i, name := range p.names {
		say := ask(i)
		if who[say] == nil {
			said = append(said, say)
		}
		who[say] = append(who[say], name)
	}
	if len(said) == 1 {
		return said[0]
	}
	p.differed = true
	require.NotEmpty(t, p.deviates, "%s: %q, which no kind of deviation is named for", cmd.Pos, said)
	var b strings.Builder
	for _, say := range said {
		fmt.Fprintf(&b, "%s: %s\n", strings.Join(who[say], ", "), strings.ReplaceAll(say, "\n", "; "))
	}
	return b.String()
}

// offerLine prints "A1 -> F1: cpu 2, memory 1024".
func offerLine(node, framework string, r res) string {
	var of []string
	for _, name := range slices.Sorted(keysOf(r)) {
		if r[name] > 0 {
			of = append(of, fmt.Sprintf("%s %g", name, float64(r[name])/1000))
		}
	}
	return fmt.Sprintf("%s -> %s: %s", node, framework, strings.Join(of, ", "))
}
