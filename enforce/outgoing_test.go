package enforce

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"pfw/config/policy"
)

func out(t testing.TB, remote string) policy.Outbound {
	if remote == "" {
		return policy.Outbound{}
	}
	return policy.Outbound{Ends: policy.Ends{Remote: addresses(t, remote)}}
}

// What a program sees of a verdict on what it sends.
func TestConnectionsThatGoOut(t *testing.T) {
	g := newGround(t, TableOptions{})
	g.apply(build(t, policy.Defaults{Inbound: policy.Block, Outbound: policy.Block}, logging,
		policy.Rule{Name: "answer", Action: policy.Reject, Log: true, Scope: out(t, "192.0.2.0/24 2001:db8::/64"), Traffic: tcp(t, 23)},
		policy.Rule{Name: "silence", Action: policy.Block, Log: true, Scope: out(t, ""), Traffic: tcp(t, 24)},
		policy.Rule{Name: "allowed", Action: policy.Allow, Scope: out(t, ""), Traffic: tcp(t, 25)},
		policy.Rule{Name: "broadcast", Action: policy.Reject, Scope: out(t, "192.0.2.255"), Traffic: policy.AnyTraffic{}},
	))
	for _, c := range []struct {
		address, decided string
		want             error
		logged           string
	}{
		{"192.0.2.7:23", "answer", syscall.ECONNREFUSED, "pfw reject out low log rule answer"},
		{"[2001:db8::7]:23", "answer", syscall.ECONNREFUSED, "pfw reject out low log rule answer"},
		{"192.0.2.7:24", "silence", errTimeout, "pfw block out low log rule silence"},
		// Nobody listens: the other host answers.
		{"192.0.2.7:25", "allowed", syscall.ECONNREFUSED, "pfw allow out low live rule allowed"},
	} {
		t.Run(c.address, func(t *testing.T) {
			before, err := g.table.Counters(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = g.local.Dial("tcp", c.address, 300*time.Millisecond)
			var timeout net.Error
			if c.want == errTimeout && !(errors.As(err, &timeout) && timeout.Timeout()) || c.want != errTimeout && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			after, err := g.table.Counters(t.Context())
			if name := policy.Name(c.decided); err != nil || after.Rules[name].Packets == before.Rules[name].Packets {
				t.Errorf("rule %s did not count, %v", c.decided, err)
			}
			want, err := ParseTag(c.logged)
			if err != nil || !g.tag(true, want) {
				t.Errorf("not logged %q, %v", c.logged, err)
			}
		})
	}
	conn, err := g.local.Dial("udp4", "192.0.2.255:137", patience)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, conn.Close)
	if _, err := conn.Write([]byte("question")); !errors.Is(err, syscall.EPERM) {
		t.Errorf("broadcast that is rejected: %v, want %v", err, syscall.EPERM)
	}
}

var errTimeout = errors.New("timeout")

func TestOwnersOfWhatGoesOut(t *testing.T) {
	root, other := policy.Account{ID: 0}, policy.Account{ID: 12345}
	for _, c := range []struct {
		what   string
		scope  policy.Outbound
		passes bool
	}{
		{"the user", policy.Outbound{Users: []policy.Account{root}}, true},
		{"another user", policy.Outbound{Users: []policy.Account{other}}, false},
		{"one of two users", policy.Outbound{Users: []policy.Account{other, root}}, true},
		{"none of two users", policy.Outbound{Users: []policy.Account{other, {ID: 1 << 24}}}, false},
		{"the group", policy.Outbound{Groups: []policy.Account{root}}, true},
		{"none of two groups", policy.Outbound{Groups: []policy.Account{other, {ID: 1 << 24}}}, false},
		{"the user and another group", policy.Outbound{Users: []policy.Account{root}, Groups: []policy.Account{other}}, false},
		{"the interface", policy.Outbound{Ends: policy.Ends{Interfaces: interfaces(t, "wlan0", "eth0")}}, true},
		{"another interface", policy.Outbound{Ends: policy.Ends{Interfaces: interfaces(t, "wlan0", "eth1*")}}, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			g := newGround(t, TableOptions{})
			g.apply(build(t, policy.Defaults{Inbound: policy.Block, Outbound: policy.Reject}, policy.Log{Group: 7},
				policy.Rule{Name: "r", Action: policy.Allow, Scope: c.scope, Traffic: tcp(t, 25)}))
			// Refused by the other host, where nobody listens, or by the default.
			if _, err := g.local.Dial("tcp", "192.0.2.7:25", patience); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatal(err)
			}
			counts, err := g.table.Counters(t.Context())
			if err != nil || counts.Rules["r"].Packets > 0 != c.passes || counts.Defaults[policy.Out].Packets > 0 == c.passes {
				t.Errorf("rule %+v, default %+v, %v; the rule should match: %t", counts.Rules["r"], counts.Defaults[policy.Out], err, c.passes)
			}
		})
	}
}
