package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of a build that failed
	Test       string
	Output     string
}

type outputLine struct{ test, text string }

// report gathers events and writes each package's part once the package is through, so that packages tested at the same
// time do not mix.
type report struct {
	w       io.Writer
	output  map[string][]outputLine    // by package
	outcome map[string]map[string]bool // by package and test: true where there is nothing to show
	skipped []string
	passed  int // tests, subtests included
	failed  int // tests, packages and builds
}

func newReport(w io.Writer) *report {
	return &report{w: w, output: map[string][]outputLine{}, outcome: map[string]map[string]bool{}}
}

// line takes one line of output; what is no event is passed on as it is.
func (r *report) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil || e.Action == "" {
		fmt.Fprint(r.w, line)
		return
	}
	switch e.Action {
	case "output":
		r.output[e.Package] = append(r.output[e.Package], outputLine{e.Test, e.Output})
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "build-fail":
		r.failed++
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageDone(e)
		} else {
			r.testDone(e)
		}
	}
}

func (r *report) testDone(e event) {
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
	case "skip":
		r.skipped = append(r.skipped, e.Package+" "+e.Test)
	}
	if r.outcome[e.Package] == nil {
		r.outcome[e.Package] = map[string]bool{}
	}
	r.outcome[e.Package][e.Test] = e.Action == "pass"
}

// packageDone writes the package's own line, and before it all that was said by tests that did not pass. A test without
// an outcome was running when the package died.
func (r *report) packageDone(e event) {
	quiet := r.outcome[e.Package]
	for _, line := range r.output[e.Package] {
		switch {
		case line.test != "" && quiet[line.test]:
		case line.test == "" && strings.TrimSpace(line.text) == "PASS":
		default:
			fmt.Fprint(r.w, line.text)
		}
	}
	if e.Action == "fail" {
		r.failed++
	}
	delete(r.output, e.Package)
	delete(r.outcome, e.Package)
}

// summarize says how it went and whether that is good enough: nothing failed, nothing was skipped, and something ran.
func (r *report) summarize(w io.Writer) bool {
	for _, name := range r.skipped {
		fmt.Fprintln(w, "SKIPPED", name)
	}
	fmt.Fprintf(w, "%d tests passed, %d failures, %d skipped\n", r.passed, r.failed, len(r.skipped))
	return r.failed == 0 && len(r.skipped) == 0 && r.passed > 0
}
