// Package suite is a benchmark of placement algorithms: workloads, published and generated, on which
// policies are compared by how well they place and how fast.
//
// A [Suite] holds what there is to compare, and a host adds to it: a [Policy] of its own, an [Order] of roles, a [Workload]
// or a whole [Scenario]. [Suite.Run] runs every policy on every workload at every seed and returns a [Document], from which
// everything else is made: CSV, Markdown, benchstat's text and a report in HTML. [Suite.Command] is all of that as a command
// with flags; the command in the folder above is one call of it.
//
//	s := suite.New()
//	s.Policies = append(s.Policies, suite.Policy{Name: "mine", Strategy: mine})
//	os.Exit(s.Command(ctx, os.Args[1:], os.Stdout, os.Stderr))
//
// # What is the same on every run
//
// How well a policy places is a function of the scenario, the workload, the policy and the seed. [Document.Quality] has
// nothing else, and is the same, byte for byte, on every run, on every machine and with any number of processors: quantities are
// whole numbers, figures are quotients of two of them or sums of such in a fixed order, and are rounded to six decimals. Speed
// and memory are in [Document.Timings], beside the [Machine] on which they were taken.
//
// Everything that is drawn is drawn from the seed by PCG of math/rand/v2, which Go promises not to change.
// The experiment that the verify of [Suite.Command] repeats draws by math/rand, as the published one did.
package suite
