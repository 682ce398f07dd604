package main

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) { hosts.Main(m) }

// What is compared works and gives numbers; which, is nothing for a test.
func TestSmallRun(t *testing.T) {
	hosts.Need(t, "nft")
	hosts.Build(t, "./cmd/pfw")
	var out strings.Builder
	b := &bench{
		bin: filepath.Dir(hosts.Build(t, "./cmd/pfwd")), sizes: []int{10}, lists: []int{1000}, n: 1, time: time.Millisecond, out: &out,
	}
	b.pfw = pfw(b.bin)
	peers := []peer{nftByHand, b.pfw}
	if err := errors.Join(b.list(listedPlan(1000, blocklist, 0), peers), b.delta(1000, singles, peers)); err != nil {
		t.Error(err)
	}
	cells, err := writeDown(b.startLogging, 1000)
	if err != nil {
		t.Error(err)
	}
	if b.wrong > 0 || strings.Count(out.String(), "| pfw ") != 2 {
		t.Errorf("%d wrong:\n%s", b.wrong, &out)
	}
	if want := "0.0 %"; len(cells) != 6 || cells[3] != want {
		t.Errorf("log: %q, want a loss of %s", cells, want)
	}
}

func TestPlan(t *testing.T) {
	for _, n := range []int{10, 1000} {
		if got := len(rulesOf(n)); got != n {
			t.Errorf("%d rules, want %d", got, n)
		}
	}
	p := listedPlan(5000, blocklist, 0)
	if len(p.list) != 5000 {
		t.Errorf("%d entries", len(p.list))
	}
	next, added, removed := p.changed(100, 1)
	if len(added) != 100 || len(removed) != 100 || len(next.list) > 5000 || len(next.list) < 4999 {
		t.Errorf("%d added, %d removed, %d entries", len(added), len(removed), len(next.list))
	}
	for _, listed := range []bool{true, false} {
		for _, s := range p.sources(listed)[:1000] {
			if a := netip.AddrFrom4([4]byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)}); p.has(a) != listed {
				t.Fatalf("%s is on the list: %t", a, !listed)
			}
		}
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	x := &table{title: "A"}
	x.row("", "long name")
	x.row("nöthing", ratio(0.016))
	x.note("b")
	x.note("b")
	x.print(&out)
	want := `
### A

|         | long name |
|---------|----------:|
| nöthing |     0.016 |

b
`
	if out.String() != want {
		t.Errorf("got %s", &out)
	}
}
