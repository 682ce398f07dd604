package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const pass = `{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
`
	const ok = `{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`
	cases := []struct {
		name, events string
		good         bool
		want         string
	}{
		{"a pass is one line", pass + ok, true, "ok  \tp\t0.1s\n1 tests passed, 0 failures, 0 skipped\n"},
		{"a failure is told whole, a pass beside it is not",
			pass + `{"Action":"output","Package":"p","Test":"TestB","Output":"b.go:1: want 2\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`, false, "b.go:1: want 2\nFAIL\tp\t0.1s\n1 tests passed, 2 failures, 0 skipped\n"},
		{"a skip fails",
			pass + `{"Action":"output","Package":"p","Test":"TestC/x","Output":"c.go:1: no root\n"}
{"Action":"skip","Package":"p","Test":"TestC/x"}
` + ok, false, "c.go:1: no root\nok  \tp\t0.1s\nSKIPPED p TestC/x\n1 tests passed, 0 failures, 1 skipped\n"},
		{"a package without tests is no skip",
			pass + ok + `{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}
`, true, "ok  \tp\t0.1s\n?   \tq\t[no test files]\n1 tests passed, 0 failures, 0 skipped\n"},
		{"what a dying test said is shown",
			`{"Action":"output","Package":"p","Test":"TestD","Output":"panic: no\n"}
{"Action":"fail","Package":"p"}
`, false, "panic: no\n0 tests passed, 1 failures, 0 skipped\n"},
		{"a build that fails",
			pass + ok + `{"Action":"build-output","ImportPath":"q","Output":"q.go:1: undefined: x\n"}
{"Action":"build-fail","ImportPath":"q"}
`, false, "ok  \tp\t0.1s\nq.go:1: undefined: x\n1 tests passed, 1 failures, 0 skipped\n"},
		{"nothing ran", "", false, "0 tests passed, 0 failures, 0 skipped\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got strings.Builder
			r := newReport(&got)
			for line := range strings.Lines(c.events) {
				r.line(line)
			}
			good := r.summarize(&got)
			if good != c.good || got.String() != c.want {
				t.Errorf("good = %v, want %v; output:\n%s\nwant:\n%s", good, c.good, got.String(), c.want)
			}
		})
	}
}

func TestCommandThatFailsWithoutTests(t *testing.T) {
	if _, err := run([]string{"sh", "-c", "exit 3"}, &strings.Builder{}); err == nil {
		t.Error("no error from a command that exited 3 without a word")
	}
}
