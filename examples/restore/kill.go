package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/berth-sched/berth"
)

// stepsLeft is after how many steps a host is killed. It is in the environment of a process that is a host.
const stepsLeft = "RESTORE_STEPS_LEFT"

func main() {
	if os.Getenv(stepsLeft) != "" {
		host(os.Args[1])
		return
	}
	dir := must(os.MkdirTemp("", "berth"))
	defer os.RemoveAll(dir)
	for killed := true; killed; {
		killed = run(dir+"/", 5)
		must(fmt.Println("the host was killed:", killed))
	}
}

// run has a process be a host, and reports whether it was killed.
func run(dir string, steps int) bool {
	cmd := exec.Command(must(os.Executable()), dir)
	cmd.Env = append(os.Environ(), stepsLeft+"="+strconv.Itoa(steps))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	if err != nil && (cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == exitOfPanic) {
		panic(err)
	}
	return err != nil
}

// exitOfPanic is with what a Go program ends that panics.
const exitOfPanic = 2

// done tells of a step of the host, and kills it if that was its last.
func done(what string, task berth.Task) {
	must(fmt.Println(" ", what, task))
	left := must(strconv.Atoi(os.Getenv(stepsLeft))) - 1
	must(0, os.Setenv(stepsLeft, strconv.Itoa(left)))
	if left == 0 {
		must(0, must(os.FindProcess(os.Getpid())).Kill())
		select {}
	}
}
