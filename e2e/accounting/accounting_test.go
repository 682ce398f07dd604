package accounting

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) { hosts.Main(m) }

const (
	burst     = 50_000
	visitors  = 20_000 // no more than any conntrack holds
	perSecond = 100_000
	// settled is how long the books may take to balance after a burst. They are
	// written at most 5 s after the packets; a busy machine takes its time.
	settled = 25 * time.Second
)

// policy blocks in several ways, all logged: the burst falls to all of them.
func policy(cap string) string {
	return fmt.Sprintf(`
[default]
inbound = "block"
outbound = "allow"
[log]
max_rate = %q
journal = false
[[rule]]
name = "telnet"
action = "block"
direction = "in"
protocol = "tcp"
port = 23
[[rule]]
name = "games"
action = "block"
direction = "both"
protocol = "udp"
port = "27000-27100"
severity = "high"
[[rule]]
name = "refused"
action = "reject"
direction = "in"
port = 113
[[rule]]
name = "slow"
action = "reject"
direction = "in"
port = 119
limit = { rate = "1000/second", per = "remote" }
[[rule]]
name = "welcome"
action = "allow"
direction = "in"
protocol = "udp"
port = 7
log = true
`, cap)
}

// books is a host whose log is audited under bursts from a neighbour.
type books struct {
	t        *testing.T
	local    *hosts.Host
	daemon   *hosts.Daemon
	injector *hosts.Injector
	sent     int
	tail     *hosts.Tail
	logged   map[string]uint64 // entries, by rule
	told     map[string]uint64 // suppressed and lost, by rule; "" where it is not known
	kinds    map[string]uint64 // all of it, by event_type
	named    uint64            // entries that name a process
	last     uint64            // seq
}

func open(t *testing.T, config string) *books {
	t.Helper()
	local, remote := hosts.Pair(t)
	b := &books{t: t, local: local, logged: map[string]uint64{}, told: map[string]uint64{}, kinds: map[string]uint64{}}
	b.daemon = hosts.Run(t, local, config)
	mac, err := local.Hardware("eth0")
	b.must(err)
	b.injector, err = remote.NewInjector("eth0", mac)
	b.must(err)
	t.Cleanup(func() {
		if err := b.injector.Close(); err != nil {
			t.Error(err)
		}
	})
	b.tail, err = b.daemon.Tail()
	b.must(err)
	return b
}

func (b *books) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// openings are of a connection each, all of them allowed.
func openings() [][]byte {
	var all [][]byte
	for i := range visitors {
		from := [4]byte{198, 18, byte(i >> 8), byte(i)}
		p := hosts.Packet{Protocol: 17, SourcePort: 20000, DestinationPort: 7, Source: netip.AddrFrom4(from), Destination: netip.MustParseAddr("192.0.2.10")}
		all = append(all, p.Bytes())
	}
	return all
}

// mixture falls to four rules, one of them beyond its limit, and the default, over both families.
func mixture() [][]byte {
	var all [][]byte
	for i := range 1000 {
		p := hosts.Packet{Protocol: 17, SourcePort: uint16(20000 + i), DestinationPort: []uint16{27000, 27015, 113, 9, 119, 119}[i%6]}
		if i%5 == 0 {
			p.Protocol, p.Flags, p.DestinationPort = 6, hosts.SYN, 23
		}
		p.Source, p.Destination = netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.10")
		if i%3 == 0 {
			p.Source, p.Destination = netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("2001:db8::10")
		}
		all = append(all, p.Bytes())
	}
	return all
}

// flood begins a burst of the packets over and over.
func (b *books) flood(packets [][]byte, count int) *hosts.Flood {
	b.sent += count
	return b.injector.Flood(packets, perSecond, count)
}

// read adds up what the audit log has.
func (b *books) read() {
	b.t.Helper()
	entries, err := b.tail.Next()
	b.must(err)
	for _, e := range entries {
		if e.Seq <= b.last {
			b.t.Fatalf("seq %d after %d: %s", e.Seq, b.last, e.Line)
		}
		b.last = e.Seq
		switch e.EventType {
		case "drop", "allow":
			b.logged[e.PFW.Rule]++
			b.kinds[e.EventType]++
			if e.PFW.PID != 0 {
				b.named++
			}
		case "suppressed", "lost":
			b.told[e.PFW.Rule] += e.PFW.Count
			b.kinds[e.EventType] += e.PFW.Count
		}
	}
}

// balance waits until the books balance, for each rule and in all.
func (b *books) balance() {
	b.t.Helper()
	var text string
	for deadline := time.Now().Add(settled); ; time.Sleep(100 * time.Millisecond) {
		if text = b.differ(); text == "" {
			break
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the books do not balance %s after the burst:\n%s", settled, text)
		}
	}
	// And they stay so.
	time.Sleep(500 * time.Millisecond)
	if text = b.differ(); text != "" {
		b.t.Fatalf("the books balanced, and no longer do:\n%s", text)
	}
	b.t.Logf("%d entries, %d suppressed, %d lost of %d", b.kinds["drop"]+b.kinds["allow"], b.kinds["suppressed"], b.kinds["lost"], b.sent)
}

// differ holds the log against the counters, in words.
func (b *books) differ() string {
	b.t.Helper()
	rules, err := b.daemon.Rules()
	b.must(err)
	b.read()
	counted, sum := counters(rules), uint64(0)
	for _, n := range counted {
		sum += n
	}
	all, unknown, wrong := "", b.told[""], false
	for _, name := range slices.Sorted(maps.Keys(counted)) {
		log := b.logged[name] + b.told[name]
		all += fmt.Sprintf("  %s: %d packets, %d entries and %d suppressed or lost\n", name, counted[name], b.logged[name], b.told[name])
		if log > counted[name] || counted[name]-log > unknown {
			wrong = true
			continue
		}
		unknown -= counted[name] - log
	}
	all += fmt.Sprintf("  of no rule: %d lost\n  sum: %d packets of %d sent\n", b.told[""], sum, b.sent)
	if wrong || unknown != 0 || sum != uint64(b.sent) {
		return all
	}
	return ""
}

// counters are those of the rules and of the default for in.
func counters(r hosts.Rules) map[string]uint64 {
	all := map[string]uint64{}
	for _, x := range r.Rules {
		all[x.Name] = x.Packets
	}
	for _, x := range r.Default {
		if x.Direction == "in" {
			all["default"] = x.Packets
		}
	}
	return all
}
