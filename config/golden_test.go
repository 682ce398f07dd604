package config

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestTextOfManyMistakes(t *testing.T) {
	text, err := os.ReadFile("testdata/errors/firewall.toml")
	if err != nil {
		t.Fatal(err)
	}
	got := refused(t, string(text)).Error()
	const golden = "testdata/errors/golden.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}
