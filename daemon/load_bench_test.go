package daemon

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rulesFile is a rule file with so many rules of mixed shapes, as e2e/bench has them: by port, by address, by both, in and out.
func rulesFile(n int) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	private := func(bits int) string {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), bits)
		return fmt.Sprintf("remote = %q\n", p.Masked())
	}
	port := func(protocol string) string {
		return fmt.Sprintf("protocol = %q\nport = %d\n", protocol, 1+r.IntN(30000))
	}
	shapes := []func() string{
		func() string { return "action = \"allow\"\ndirection = \"in\"\n" + port("tcp") },
		func() string { return "action = \"allow\"\ndirection = \"in\"\n" + port("tcp") + private(24) },
		func() string { return "action = \"block\"\ndirection = \"in\"\n" + private(32) },
		func() string { return "action = \"allow\"\ndirection = \"in\"\n" + port("udp") + private(16) },
		func() string { return "action = \"block\"\ndirection = \"out\"\n" + port("tcp") + private(20) },
		func() string { return "action = \"block\"\ndirection = \"in\"\n" + private(20) },
		func() string { return "action = \"allow\"\ndirection = \"in\"\n" + port("udp") },
		func() string { return "action = \"block\"\ndirection = \"out\"\n" + private(32) },
	}
	var b strings.Builder
	b.WriteString("[default]\ninbound = \"block\"\noutbound = \"allow\"\n[log]\njournal = false\n")
	for i := range n {
		fmt.Fprintf(&b, "[[rule]]\nname = \"rule-%d\"\nlog = false\n%s", i, shapes[i%len(shapes)]())
	}
	return b.String()
}

// listed blocks who is on the list beside the rule file.
const listed = "[list.long]\nfile = \"long.netset\"\n[[rule]]\nname = \"listed\"\naction = \"block\"\ndirection = \"both\"\nremote = \"@long\"\nlog = false\n"

// listFile is the text of a list of about so many entries; turn makes a hundred of them others.
func listFile(n, turn int) string {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	var b strings.Builder
	for i := range n {
		a := netip.AddrFrom4([4]byte{byte(11 + r.IntN(180)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		bits := []int{32, 32, 32, 24, 28}[r.IntN(5)]
		if turn > 0 && i%(n/100) == 0 {
			a, bits = netip.AddrFrom4([4]byte{200, byte(turn), byte(i >> 16), byte(i >> 8)}), 32
		}
		fmt.Fprintln(&b, netip.PrefixFrom(a, bits).Masked())
	}
	return b.String()
}

// processorTime is what this process has used of all processors: that of others does not count.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReload is a whole reload by the control socket, daemon and client, with the processor time of both.
func BenchmarkReload(b *testing.B) {
	for _, c := range []struct {
		what           string
		rules, entries int
		// change changes the rule file or the list before a reload; nil changes nothing.
		change func(b *testing.B, rules, list string, turn int)
	}{
		{"rules=1000/unchanged", 1000, 0, nil},
		{"rules=10000/unchanged", 10_000, 0, nil},
		{"rules=1000/entries=1000000/unchanged", 1000, 1_000_000, nil},
		{"rules=1000/one=changed", 1000, 0, addRule},
		{"rules=10000/one=changed", 10_000, 0, addRule},
		{"rules=1000/entries=1000000/one=changed", 1000, 1_000_000, addRule},
		{"rules=10/entries=1000000/hundred=changed", 10, 1_000_000, func(b *testing.B, _, list string, turn int) {
			write(b, list, listFile(1_000_000, turn))
		}},
	} {
		b.Run(c.what, func(b *testing.B) {
			client, audit := here(b, rulesFile(c.rules))
			dir := filepath.Dir(audit)
			rules, list := filepath.Join(dir, "firewall.toml"), filepath.Join(dir, "long.netset")
			if c.entries > 0 {
				write(b, list, listFile(c.entries, 0))
				time.Sleep(100 * time.Millisecond) // beyond the tick of the kernel's clock
				text, err := os.ReadFile(rules)
				if err != nil {
					b.Fatal(err)
				}
				write(b, rules, strings.Replace(string(text), "[[rule]]", listed+"[[rule]]", 1))
				if _, err := client.Reload(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			time.Sleep(time.Second) // what a load leaves to be done behind
			var used time.Duration
			b.ResetTimer()
			for turn := 1; turn <= b.N; turn++ {
				if c.change != nil {
					b.StopTimer()
					c.change(b, rules, list, turn)
					time.Sleep(100 * time.Millisecond)
					b.StartTimer()
				}
				before := processorTime(b)
				if _, err := client.Reload(b.Context()); err != nil {
					b.Fatal(err)
				}
				used += processorTime(b) - before
			}
			b.ReportMetric(float64(used.Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// addRule changes the rule that stands behind the last one.
func addRule(b *testing.B, rules, _ string, turn int) {
	text, err := os.ReadFile(rules)
	if err != nil {
		b.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "[[rule]]\nname = \"last\"\n")
	write(b, rules, fmt.Sprintf("%s[[rule]]\nname = \"last\"\naction = \"block\"\ndirection = \"in\"\nprotocol = \"tcp\"\nport = %d\n", before, 40000+turn%20000))
}

func write(b *testing.B, path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}
