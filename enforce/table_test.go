package enforce

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// open opens the table on a host.
func open(t testing.TB, h *hosts.Host, o TableOptions) *Table {
	t.Helper()
	var table *Table
	if err := h.Do(func() (err error) { table, err = Open(o); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

func apply(t testing.TB, table *Table, p *policy.Policy) Applied {
	t.Helper()
	a, err := table.Apply(t.Context(), Compile(p, Options{Now: now}))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func nft(t testing.TB, h *hosts.Host, script string) {
	t.Helper()
	cmd := h.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %s", out)
	}
}

func list(t testing.TB, h *hosts.Host) string {
	t.Helper()
	out, err := h.Command("nft", "list", "table", "inet", "pfw").CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %s", out)
	}
	return string(out)
}

func TestFirst(t *testing.T) {
	s, err := policy.NewSchedule([]time.Weekday{1, 2, 3}, 22*60, 6*60)
	if err != nil {
		t.Fatal(err)
	}
	p := build(t, policy.Defaults{Inbound: policy.Block, Outbound: policy.Reject, Forward: policy.ForwardBy(policy.Block)}, logging,
		policy.Rule{Name: "ssh", Action: policy.Allow, Scope: policy.Inbound{Ends: policy.Ends{Remote: addresses(t, "10.0.0.0/8 192.168.0.0/16 fd00::/8 !10.1.0.0/16")}}, Traffic: tcp(t, 22), Comment: `he said "hi"`},
		policy.Rule{Name: "0", Action: policy.Reject, Log: true, Scope: policy.Both{Ends: policy.Ends{Remote: addresses(t, "!10.1.0.0/16"), Interfaces: interfaces(t, "eth0", "wl*")}}, Traffic: ports(t, nil, policy.PortRange{First: 22, Last: 23}, policy.PortRange{First: 80, Last: 80})},
		policy.Rule{Name: "over", Action: policy.Block, Log: true, Schedule: s, Until: now.AddDate(1, 0, 0), Scope: policy.Outbound{Users: []policy.Account{{ID: 0}, {ID: 5}}, Groups: []policy.Account{{ID: 7}}}, Traffic: policy.OfICMPTypes{V4: []uint8{8, 13}, V6: []uint8{128}}},
		policy.Rule{Name: "f", Action: policy.Block, Log: true, Scope: policy.Forwarded{From: addresses(t, "0.0.0.0/1 255.0.0.0/8 ::1 ff00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}, Traffic: policy.OfProtocols{Protocols: []policy.Protocol{policy.ICMP, policy.ICMPv6, policy.IGMP, 99}}},
	)
	h := hosts.New(t, "a")
	nft(t, h, Compile(p, Options{Now: now}).String())
	want := list(t, h)
	other := hosts.New(t, "b")
	table := open(t, other, TableOptions{StateDir: t.TempDir()})
	a := apply(t, table, p)
	got := list(t, other)
	fmt.Println(a.Generation, table.Owned())
	os.WriteFile("/tmp/want", []byte(want), 0o666)
	os.WriteFile("/tmp/got", []byte(got), 0o666)
	apply(t, table, p)
	fmt.Println(table.Verify(t.Context()))
	fmt.Println(table.Changed(t.Context()))
}
