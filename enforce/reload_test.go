package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

func TestCountersGoOnOverAReload(t *testing.T) {
	g := newGround(t, TableOptions{})
	block := policy.Rule{Name: "over", Action: policy.Block, Log: true, Scope: in(t, ""), Traffic: tcp(t, 1001)}
	other := policy.Rule{Name: "other", Action: policy.Block, Scope: in(t, ""), Traffic: tcp(t, 1002)}
	g.apply(build(t, standard, logging, block, other))
	send := func(port uint16, n int) {
		for range n {
			if err := g.injector.Send(to(6, port).Bytes()); err != nil {
				t.Fatal(err)
			}
		}
	}
	counts := func() Counters {
		t.Helper()
		c, err := g.table.Counters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	await := func(what string, f func(Counters) bool) Counters {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			c := counts()
			if f(c) {
				return c
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %+v", what, c)
			}
		}
	}

	send(1001, 200)
	send(1002, 3)
	send(1003, 2)
	c := await("first policy", func(c Counters) bool {
		return c.Rules["over"].Packets == 200 && c.Rules["other"].Packets == 3 && c.Defaults[policy.In].Packets == 2
	})
	r := c.Rules["over"]
	if !r.Logged || r.Sent+r.Over != 200 || r.Over == 0 || r.Sent < 50 || r.Bytes != 200*40 {
		t.Errorf("200 packets of 40 bytes with a cap of 50/second: %+v", r)
	}
	if c.Rules["other"].Logged || !c.Defaults[policy.In].Logged {
		t.Errorf("a rule that does not log, a default that does: %+v, %+v", c.Rules["other"], c.Defaults[policy.In])
	}

	quiet := block
	quiet.Log = false
	if a := g.apply(build(t, standard, logging, quiet)); a.Retired.Rules["other"].Packets != 3 || len(a.Retired.Rules) != 1 {
		t.Errorf("retired %+v, want other with 3 packets", a.Retired)
	}
	send(1001, 10)
	c = await("log switched off", func(c Counters) bool { return c.Rules["over"].Packets == 210 })
	if now := c.Rules["over"]; now.Sent != r.Sent || now.Over != r.Over || now.Logged {
		t.Errorf("%+v after ten more that are not logged, was %+v", now, r)
	}
	if _, there := c.Rules["other"]; there {
		t.Error("the counter of a rule that is gone is still there")
	}

	g.apply(build(t, standard, logging, block))
	send(1001, 10)
	c = await("log switched on", func(c Counters) bool { return c.Rules["over"].Packets == 220 })
	if now := c.Rules["over"]; now.Sent+now.Over != 210 {
		t.Errorf("%+v after 200 and 10 that are logged", now)
	}
	if c.Defaults[policy.In].Packets != 2 {
		t.Errorf("default %+v, want 2 packets", c.Defaults[policy.In])
	}
}

func TestAnAllowedConnectionCountsOnce(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, standard, logging, policy.Rule{Name: "dns", Action: policy.Allow, Scope: in(t, ""), Traffic: udp(t, 53)}))
	for range 5 {
		if err := g.injector.Send(to(17, 53).Bytes()); err != nil {
			t.Fatal(err)
		}
		if !g.passes(to(17, 53), true) {
			t.Fatal("not delivered")
		}
	}
	c, err := g.table.Counters(t.Context())
	if err != nil || c.Rules["dns"].Packets != 1 {
		t.Errorf("%d openings of a flow of 5 packets, %v", c.Rules["dns"].Packets, err)
	}
}

func TestNothingElseIsTouched(t *testing.T) {
	h := hosts.New(t, "host")
	const others = `
		table inet other {
			counter c { }
			set s { type ipv4_addr; elements = { 192.0.2.1 }; }
			chain c { type filter hook input priority 5; policy accept; ip saddr @s counter name c drop; }
		}
		table ip pfw {
			chain input { type filter hook input priority 0; tcp dport 22 accept; }
		}
	`
	nft(t, h, others)
	ruleset := func() string {
		t.Helper()
		out, err := h.Command("nft", "list", "ruleset").CombinedOutput()
		if err != nil {
			t.Fatalf("nft: %s", out)
		}
		return string(out)
	}
	before := ruleset()
	table := open(t, h, TableOptions{})
	apply(t, table, build(t, standard, logging, verdictRules(t)...))
	apply(t, table, build(t, standard, logging))
	if err := table.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := ruleset(); after != before {
		t.Errorf("after apply and remove:\n%s\nwas:\n%s", after, before)
	}
	if err := table.Remove(t.Context()); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	apply(t, table, build(t, standard, logging))
	if !strings.Contains(ruleset(), "table inet pfw") {
		t.Error("no table after it was removed and applied again")
	}
}

func TestARulesetThatFailsChangesNothingAndIsNamed(t *testing.T) {
	h := hosts.New(t, "host")
	table := open(t, h, TableOptions{})
	apply(t, table, build(t, standard, logging, policy.Rule{Name: "a", Action: policy.Allow, Scope: in(t, "10.0.0.0/8 192.0.2.7"), Traffic: tcp(t, 22)}))
	before := list(t, h)

	bad := Compile(build(t, standard, logging, policy.Rule{Name: "b", Action: policy.Allow, Scope: in(t, "10.0.0.0/8 192.0.2.8"), Traffic: tcp(t, 22)}), Options{Now: now})
	for i := range bad.chains {
		if bad.chains[i].name == "output" {
			bad.chains[i].rules[3].statements = []statement{goTo{"nowhere"}}
		}
	}
	_, err := table.Apply(t.Context(), bad)
	if !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "chain output, rule 4") {
		t.Errorf("error %v, want one that names rule 4 of chain output", err)
	}
	if after := list(t, h); after != before {
		t.Errorf("the table changed:\n%s\nwas:\n%s", after, before)
	}
	if differs, err := table.Verify(t.Context()); len(differs) > 0 || err != nil {
		t.Error(differs, err)
	}
	apply(t, table, build(t, standard, logging))
}

// A list is replaced by another while packets from it come in: none may slip through.
func TestABigSetIsSwappedWithoutALeak(t *testing.T) {
	g := newGround(t, TableOptions{})
	lists := [2]policy.Addresses{}
	for i := range lists {
		var b policy.AddressBuilder
		for n := range 100_000 {
			a := netip.AddrFrom4([4]byte{100 + byte(n>>16), byte(n >> 8), byte(n), byte(8 * i)})
			if err := b.AddPrefix(netip.PrefixFrom(a, 30)); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.AddPrefix(netip.MustParsePrefix("192.0.2.0/28")); err != nil {
			t.Fatal(err)
		}
		lists[i] = policy.NewAddresses(b.Set(), fmt.Sprintf("@list%d", i))
	}
	use := func(i int) {
		t.Helper()
		started := time.Now()
		g.apply(build(t, policy.Defaults{Inbound: policy.Allow, Outbound: policy.Allow}, logging,
			policy.Rule{Name: "list", Action: policy.Block, Scope: policy.Inbound{Ends: policy.Ends{Remote: lists[i]}}}))
		t.Logf("100,001 prefixes in force after %v", time.Since(started))
	}
	use(0)
	var packets [][]byte
	for port := range uint16(1000) {
		p := to(17, 5353)
		p.SourcePort = 10000 + port
		packets = append(packets, p.Bytes())
	}
	flood := g.injector.Flood(packets, 20_000, 400_000)
	for i := range 6 {
		use((i + 1) % 2)
	}
	if err := flood.End(); err != nil {
		t.Fatal(err)
	}
	c, err := g.table.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.Rules["list"].Packets < 1000 {
		t.Errorf("only %d packets were blocked of %d: the flood did not meet the swaps", c.Rules["list"].Packets, flood.Sent())
	}
	if g.passes(to(17, 5353), false) {
		t.Errorf("packets slipped through; %d were blocked", c.Rules["list"].Packets)
	}
}
