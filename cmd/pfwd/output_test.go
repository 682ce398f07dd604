package main

import (
	"bufio"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestWhoLogsDoesNotWaitForWhoReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out := newOutput(w)
	log := newLogger(out, true)
	const many = 5000
	began := time.Now()
	for range many {
		log.Warn(strings.Repeat("x", 200))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d messages that nobody reads took %s", many, took)
	}
	// Once somebody reads, it goes on, and tells of what is missing.
	told := make(chan bool)
	go func() {
		missing := false
		for lines := bufio.NewScanner(r); lines.Scan(); {
			missing = missing || strings.HasSuffix(lines.Text(), " messages are missing here, as nobody read them")
			if lines.Text() == "<6>the end" {
				break
			}
		}
		told <- missing
		_, _ = io.Copy(io.Discard, r) // until the writer closes its end
	}()
	for deadline := time.Now().Add(10 * time.Second); len(out.lines) > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	log.Info("the end")
	select {
	case missing := <-told:
		if !missing {
			t.Error("nothing tells of the messages that are missing")
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing is written any more")
	}
	out.close()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
