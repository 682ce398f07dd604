package enforce

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// within makes a rule that allows TCP port 22, to be bounded.
func within(t testing.TB, change func(*policy.Rule)) policy.Rule {
	r := policy.Rule{Name: "ssh", Action: policy.Allow, Scope: policy.Inbound{}, Traffic: tcp(t, 22)}
	change(&r)
	return r
}

func limited(t testing.TB, packets uint32, unit time.Duration, burst uint32, per policy.Per) policy.Rule {
	return within(t, func(r *policy.Rule) {
		r.Limit = &policy.Limit{Rate: policy.Rate{Packets: packets, Per: unit}, Burst: burst, Per: per}
	})
}

func banning(t testing.TB, packets uint32, unit time.Duration) policy.Rule {
	return within(t, func(r *policy.Rule) {
		r.Ban = &policy.BanOver{Over: policy.Rate{Packets: packets, Per: unit}, For: time.Hour}
	})
}

// opening is the n-th packet of a remote that opens a connection.
func opening(from string, n int) hosts.Packet {
	p := to(6, 22)
	if p.Source = netip.MustParseAddr(from); p.Source.Is6() {
		p.Destination = local6
	}
	p.SourcePort = uint16(1024 + n)
	return p
}

// tries sends so many openings and tells how many of them were within, when all are decided.
func (g *ground) tries(from string, n int) (passed int) {
	g.t.Helper()
	before := g.readings()
	for i := range n {
		if err := g.injector.Send(opening(from, i).Bytes()); err != nil {
			g.t.Fatal(err)
		}
	}
	return g.settled(before, n)
}

// settled waits until so many packets are decided, by the rule or before it, and tells how many were within.
func (g *ground) settled(before map[string]Counter, n int) (passed int) {
	g.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		now := g.readings()
		more := func(name string) int { return int(now[name].Packets - before[name].Packets) }
		if more("rule/ssh")+more("always/banned") == n {
			return more("rule/ssh") - more("excess/ssh")
		}
		if time.Now().After(end) {
			g.t.Fatalf("of %d packets the rule had %d, of which %d over, and %d were of somebody banned", n, more("rule/ssh"), more("excess/ssh"), more("always/banned"))
		}
	}
}

func TestALimitLetsTheRatePass(t *testing.T) {
	g := newGround(t, TableOptions{})
	const rate, burst = 100, 100
	g.apply(build(t, standard, logging, limited(t, rate, time.Second, burst, policy.PerRule)))
	before, began, n := g.readings(), time.Now(), 0
	// What should pass of packets that come when they are sent, as this machine may have more to do.
	last, tokens, want := began, float64(burst), 0
	for ; time.Since(began) < 3*time.Second; n++ {
		now := time.Now()
		tokens = min(burst, tokens+rate*now.Sub(last).Seconds())
		if last = now; tokens >= 1 {
			tokens, want = tokens-1, want+1
		}
		if err := g.injector.Send(opening("192.0.2.7", n%60_000).Bytes()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Microsecond)
	}
	if passed := g.settled(before, n); math.Abs(float64(passed-want)) > float64(want)/10 {
		t.Errorf("%d of %d passed in %s, want %d", passed, n, last.Sub(began), want)
	}
}

// The rates are so slow that nothing comes back while the test runs.
func TestALimitOfTheRuleAndOfARemote(t *testing.T) {
	g := newGround(t, TableOptions{})
	for _, c := range []struct {
		per  policy.Per
		want [5]int
	}{
		{policy.PerRule, [5]int{3, 0, 0, 0, 0}},
		{policy.PerRemote, [5]int{3, 3, 3, 0, 3}},
	} {
		g.apply(build(t, standard, logging, limited(t, 1, 24*time.Hour, 3, c.per)))
		for i, from := range []string{"192.0.2.7", "192.0.2.8", "2001:db8:1::7", "2001:db8:1::8:0:0:1", "2001:db8:1:1::7"} {
			if passed := g.tries(from, 5); passed != c.want[i] {
				t.Errorf("per %s: %d of %s passed, want %d", c.per, passed, from, c.want[i])
			}
		}
	}
}

func TestWhatIsOverALimitIsBlockedAndTold(t *testing.T) {
	g := newGround(t, TableOptions{})
	r := limited(t, 1, 24*time.Hour, 1, policy.PerRule)
	g.apply(build(t, standard, logging, r))
	if passed := g.tries("192.0.2.7", 2); passed != 1 {
		t.Errorf("%d passed, want 1", passed)
	}
	tag := Tag{Rule: "ssh", Action: policy.Block, Direction: policy.In, Severity: policy.Low, Kind: ByRule, Written: true,
		Over: policy.Over{Bound: policy.ByLimit, Action: policy.Allow, Rate: policy.Rate{Packets: 1, Per: 24 * time.Hour}, Per: policy.PerRule}}
	if !g.tag(true, tag) {
		t.Errorf("no message %s", tag)
	}
	counts, err := g.table.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if x := counts.Excess["ssh"]; x.Packets != 1 || x.Sent != 1 || x.Over != 0 || !x.Logged {
		t.Errorf("over the limit: %+v", x)
	}
	// A rule that writes nothing down is quiet of this, too.
	r.Quiet = true
	g.apply(build(t, standard, logging, r))
	if passed := g.tries("192.0.2.7", 1); passed != 0 {
		t.Error("a packet over the limit passed")
	}
	if g.tag(false, tag) {
		t.Error("a message of a quiet rule")
	}
}

func TestCountsStayWhileTheBoundDoes(t *testing.T) {
	dir := t.TempDir()
	g := newGround(t, TableOptions{StateDir: dir})
	r := limited(t, 1, 24*time.Hour, 2, policy.PerRemote)
	r.Ban = &policy.BanOver{Over: policy.Rate{Packets: 100, Per: 24 * time.Hour}, For: time.Hour}
	apply := func(more ...policy.Rule) { g.apply(build(t, standard, logging, append([]policy.Rule{r}, more...)...)) }
	apply()
	if passed := g.tries("192.0.2.7", 1); passed != 1 {
		t.Fatalf("%d passed, want 1", passed)
	}
	// Other rules, other keys of this one.
	apply(policy.Rule{Name: "web", Action: policy.Allow, Scope: policy.Inbound{}, Traffic: tcp(t, 80)})
	r.Log, r.Comment, r.Severity, r.Scope, r.Ban = true, "again", policy.High, policy.Both{}, nil
	apply()
	if passed := g.tries("192.0.2.7", 2); passed != 1 {
		t.Errorf("%d passed of the burst of 2, one before the reload: want 1", passed)
	}
	// Another process: the table is as it was left.
	crash(t, g.table)
	g.table = open(t, g.local, TableOptions{StateDir: dir})
	if differs := takeover(t, g.table); len(differs) > 0 {
		t.Errorf("taken over: %q", differs)
	}
	apply()
	if passed := g.tries("192.0.2.7", 1); passed != 0 {
		t.Error("a packet over the limit passed after a crash")
	}
	r.Limit.Rate.Packets = 2
	apply()
	if passed := g.tries("192.0.2.7", 3); passed != 2 {
		t.Errorf("%d passed of a limit that is new, want 2", passed)
	}
}

func TestARemoteIsForgottenWhenItsBucketIsFull(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, standard, logging, limited(t, 10, time.Second, 20, policy.PerRemote)))
	if passed := g.tries("192.0.2.7", 5); passed != 5 {
		t.Fatalf("%d passed, want 5", passed)
	}
	has := func() bool { return strings.Contains(list(t, g.local), "elements = { 192.0.2.7 ") }
	if !has() {
		t.Errorf("the remote is not counted:\n%s", list(t, g.local))
	}
	for end := time.Now().Add(3 * patience); has(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the remote is still counted")
		}
	}
}

func TestConnectionsUpToANumber(t *testing.T) {
	g := newGround(t, TableOptions{})
	for _, per := range []policy.Per{policy.PerRemote, policy.PerRule} {
		g.apply(build(t, standard, logging, within(t, func(r *policy.Rule) { r.MaxConnections = &policy.MaxConnections{Count: 2, Per: per} })))
		server, err := g.local.Listen("tcp", ":22")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			// Each connection ends when its other end does.
			for {
				c, err := server.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
			}
		}()
		var open []io.Closer
		dial := func(address string, should bool) bool {
			t.Helper()
			wait := unrest * 10
			if should {
				wait = patience
			}
			c, err := g.remote.Dial("tcp", address, wait)
			if err == nil {
				open = append(open, c)
			}
			return err == nil
		}
		for i := range 2 {
			if !dial("192.0.2.10:22", true) {
				t.Fatalf("per %s: connection %d is refused", per, i+1)
			}
		}
		if dial("192.0.2.10:22", false) {
			t.Errorf("per %s: a third connection", per)
		}
		if got := dial("[2001:db8::10]:22", per == policy.PerRemote); got != (per == policy.PerRemote) {
			t.Errorf("per %s: a connection from elsewhere is %t", per, got)
		}
		// A reload of something else counts on; and many that are refused leave no trace.
		g.apply(build(t, standard, logging, within(t, func(r *policy.Rule) {
			r.MaxConnections, r.Comment = &policy.MaxConnections{Count: 2, Per: per}, "again"
		})))
		if passed := g.tries("192.0.2.7", 20_000); passed != 0 {
			t.Errorf("per %s: %d of a flood passed", per, passed)
		}
		if err := open[0].Close(); err != nil {
			t.Fatal(err)
		}
		if !dial("192.0.2.10:22", true) {
			t.Errorf("per %s: no connection in place of one that was closed", per)
		}
		for _, c := range append(open[1:], server) {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		<-done
	}
}

// A bound must not open because somebody comes from everywhere.
func TestWhatCannotBeCountedIsBlocked(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, standard, logging, limited(t, 1, 24*time.Hour, 1, policy.PerRemote)))
	before := g.readings()
	const flood = unbounded + 1000
	for i := range flood {
		p := opening("192.0.2.7", 0)
		p.Source = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if err := g.injector.Send(p.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	passed := g.settled(before, flood)
	if passed > unbounded || passed < unbounded*9/10 {
		t.Errorf("of %d remotes %d passed, and %d can be counted", flood, passed, unbounded)
	}
	if got := g.tries("192.0.2.7", 1); got != 0 {
		t.Error("a remote that cannot be counted passed")
	}
	if got := g.tries("2001:db8::7", 1); got != 1 {
		t.Error("the other family has no room")
	}
}

// Rules that are many share sets, and count apart.
func TestManyBoundedRulesCountApart(t *testing.T) {
	g := newGround(t, TableOptions{})
	var rules []policy.Rule
	for i := range mostAlone + 100 {
		r := limited(t, 1, 24*time.Hour, 2, policy.Per(1+i%2))
		r.Name, r.Traffic = policy.Name(fmt.Sprintf("r%d", i)), tcp(t, uint16(1000+i))
		r.MaxConnections = &policy.MaxConnections{Count: 100, Per: policy.Per(1 + i/2%2)}
		rules = append(rules, r)
	}
	p := build(t, standard, logging, rules...)
	g.apply(p)
	before := g.readings()
	const each = 5
	for n := range each {
		for i := range rules {
			packet := to(6, uint16(1000+i))
			packet.SourcePort = uint16(2000 + n)
			if i%3 == 0 {
				packet.Source, packet.Destination = remote6, local6
			}
			if err := g.injector.Send(packet.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range rules {
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			now := g.readings()
			all := now[fmt.Sprint("rule/r", i)].Packets - before[fmt.Sprint("rule/r", i)].Packets
			if all < each && time.Now().Before(end) {
				continue
			}
			if over := now[fmt.Sprint("excess/r", i)].Packets; all != each || over != each-2 {
				t.Errorf("rule %d: %d packets, %d over", i, all, over)
			}
			break
		}
	}
	if n := len(Compile(p, Options{Now: now}).sets); n > 500 {
		t.Errorf("%d sets", n)
	}
}
