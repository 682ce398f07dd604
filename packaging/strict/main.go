// Command strict runs a `go test -json` command and prints what a person wants of it: one line a package, the whole
// output of what failed, a summary. Unlike go test it fails when a test was skipped: a skipped test has proved nothing.
//
//	strict go test -json ./...
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: strict go test -json [arguments]")
		os.Exit(2)
	}
	report, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "strict:", err)
		os.Exit(1)
	}
	if !report.summarize(os.Stdout) {
		os.Exit(1)
	}
}

// run starts the command and reads its events until it ends. A command that fails without saying which test or build
// failed is an error.
func run(command []string, w io.Writer) (*report, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("open the output of %s: %w", command[0], err)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	report := newReport(w)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			report.line(line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the output of %s: %w", command[0], err)
		}
	}
	if err := cmd.Wait(); err != nil && report.failed == 0 {
		return nil, fmt.Errorf("%s: %w", command[0], err)
	}
	return report, nil
}
