package enforce

import (
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"pfw/config/policy"
)

func TestTheOpeningThatIsTooManyBans(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, standard, logging, banning(t, 6, time.Hour)))
	for i, from := range []string{"192.0.2.7", "2001:db8::7"} {
		if passed := g.tries(from, 20); passed != 6 {
			t.Errorf("%s: %d passed, want 6", from, passed)
		}
		if got := g.readings()["excess/ssh"].Packets; got != uint64(i+1) {
			t.Errorf("%s: %d packets over the rate met the rule, want the one that banned", from, got)
		}
		b, ok, err := g.table.Banned(t.Context(), Remote(netip.MustParseAddr(from)))
		if !ok || err != nil || b.Left < time.Hour-time.Minute || b.Left > time.Hour {
			t.Errorf("%s: banned %t for %s, %v", from, ok, b.Left, err)
		}
		tag := Tag{Rule: "ssh", Action: policy.Block, Direction: policy.In, Severity: policy.Low, Kind: ByRule, Written: true,
			Over: policy.Over{Bound: policy.ByBan, Action: policy.Allow, Rate: policy.Rate{Packets: 6, Per: time.Hour}, For: time.Hour}}
		if !g.tag(true, tag) {
			t.Errorf("no message %s", tag)
		}
	}
}

// What was before a ban is paid for with it.
func TestWhoWasBannedBeginsAnew(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, standard, logging, within(t, func(r *policy.Rule) {
		r.Ban = &policy.BanOver{Over: policy.Rate{Packets: 3, Per: time.Hour}, For: 3 * time.Second}
	})))
	for _, from := range []string{"192.0.2.7", "2001:db8::7"} {
		for range 2 {
			if passed := g.tries(from, 5); passed != 3 {
				t.Errorf("%s: %d passed, want 3", from, passed)
			}
			for end := time.Now().Add(patience); len(banned(t, g.table)) > 0; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the ban does not end")
				}
			}
		}
	}
}

// Who can write any source into a packet must not be able to ban a machine from itself, or from all of its link.
func TestSomeAreNeverBanned(t *testing.T) {
	g := newGround(t, TableOptions{})
	err := g.local.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/conf/all/accept_local", []byte("1"), 0) })
	if err == nil {
		err = g.local.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/conf/eth0/rp_filter", []byte("0"), 0) })
	}
	if err != nil {
		t.Fatal(err)
	}
	g.apply(build(t, standard, logging, banning(t, 2, time.Hour)))
	for _, from := range []string{"192.0.2.10", "2001:db8::10", "fe80::77"} {
		if passed := g.tries(from, 8); passed != 8 {
			t.Errorf("%s: %d of 8 passed", from, passed)
		}
	}
	if all := banned(t, g.table); len(all) > 0 {
		t.Errorf("banned: %q", all)
	}
	if passed := g.tries("192.0.2.7", 8); passed != 2 {
		t.Errorf("of another %d of 8 passed", passed)
	}
}

func TestWhereNobodyMoreCanBeBannedThePacketIsBlocked(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, standard, logging, banning(t, 2, time.Hour)).Guarding(policy.Bans{Size: 1}, policy.Detect{}))
	if passed := g.tries("192.0.2.7", 3); passed != 2 {
		t.Errorf("%d passed, want 2", passed)
	}
	if passed := g.tries("192.0.2.8", 8); passed != 2 {
		t.Errorf("of another %d passed, want 2", passed)
	}
	tag := Tag{Rule: "ssh", Action: policy.Block, Direction: policy.In, Severity: policy.Low, Kind: ByRule, Written: true,
		Over: policy.Over{Bound: policy.ByFullBan, Action: policy.Allow, Rate: policy.Rate{Packets: 2, Per: time.Hour}, For: time.Hour}}
	if !g.tag(true, tag) {
		t.Errorf("no message %s", tag)
	}
	if got, want := banned(t, g.table), []string{"192.0.2.7/32 1h0m0s"}; !slices.Equal(got, want) {
		t.Errorf("banned: %q, want %q", got, want)
	}
}
