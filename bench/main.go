// Bench compares placement algorithms on published and generated workloads.
//
//	go run ./bench                             what ends in under a minute, as tables of Markdown
//	go run ./bench -o DIR                      the same, as report.html, results.json and more in DIR
//	go run ./bench -standard -data DIR -o DIR  minutes, with the published traces that are in the folder of -data
//	go run ./bench -list                       which scenarios, workloads, policies and orders there are
//	go run ./bench verify atc23 -data DIR      repeats the experiment of USENIX ATC 2023, and says whether it comes out as published
//	go run ./bench verify gpu-policies -data DIR    says whether the policies for GPUs do what is said of them
//	go run ./bench compare OLD NEW             two results.json, paired by seed
//
// The exit code is 0 if all is well, 1 if compare found something worse or verify something not as published, 2 if what was asked
// for is at fault, and 3 if the run was broken off. All of it is in package suite, to which a program of one's own can add
// policies and workloads; docs/bench.md is the guide.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/berth-sched/berth/bench/suite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := suite.New().Command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
