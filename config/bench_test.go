package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func BenchmarkInstalledExample(b *testing.B) {
	text, err := os.ReadFile("../firewall.toml")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Load(rootFile, Options{Source: machine(string(text)), Now: now}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTwoThousandRules(b *testing.B) {
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "[[rule]]\nname = \"r%d\"\naction = \"block\"\ndirection = \"in\"\nprotocol = \"tcp\"\nport = [%d, \"ssh\"]\nremote = \"10.%d.%d.0/24\"\n", i, 1000+i, i/256, i%256)
	}
	for b.Loop() {
		if _, err := Load(rootFile, Options{Source: machine(text.String()), Now: now}); err != nil {
			b.Fatal(err)
		}
	}
}
