// Package browser checks the benchmark suite's report in a browser. It has tests alone, in a module of their own, since only they need one.
package browser
