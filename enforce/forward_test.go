package enforce

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

func TestConnectionsThatPassThrough(t *testing.T) {
	left, router, right := hosts.Routed(t)
	table := open(t, router, TableOptions{})
	forward := func(from, to string) policy.Forwarded {
		return policy.Forwarded{From: addresses(t, from), To: addresses(t, to), InInterfaces: interfaces(t, "lef*", "right"), OutInterfaces: interfaces(t, "right")}
	}
	everywhere := "192.0.2.0/24 198.51.100.0/24 2001:db8::/32"
	apply(t, table, build(t, policy.Defaults{Inbound: policy.Block, Outbound: policy.Allow, Forward: policy.ForwardBy(policy.Block)}, policy.Log{Group: 7},
		policy.Rule{Name: "web", Action: policy.Allow, Scope: forward("192.0.2.0/24 2001:db8:1::/64", everywhere), Traffic: tcp(t, 80)},
		policy.Rule{Name: "no-mail", Action: policy.Reject, Scope: forward(everywhere, everywhere), Traffic: tcp(t, 25)},
	))
	for _, c := range []struct {
		what     string
		from     *hosts.Host
		address  string
		want     error
		rule     policy.Name
		byWhat   policy.Direction
		listener bool
	}{
		{"allowed", left, "198.51.100.2:80", nil, "web", 0, true},
		{"allowed in IPv6", left, "[2001:db8:2::2]:80", nil, "web", 0, true},
		{"rejected", left, "198.51.100.2:25", syscall.ECONNREFUSED, "no-mail", 0, true},
		{"rejected in IPv6", left, "[2001:db8:2::2]:25", syscall.ECONNREFUSED, "no-mail", 0, true},
		{"by the default", left, "198.51.100.2:81", errTimeout, "", policy.Forward, true},
		{"the other way", right, "192.0.2.2:80", errTimeout, "", policy.Forward, true},
		{"to the router itself", left, "192.0.2.1:80", errTimeout, "", policy.In, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			if c.listener {
				host := right
				if c.from == right {
					host = left
				}
				l, err := host.Listen("tcp", c.address)
				if err != nil {
					t.Fatal(err)
				}
				closing(t, l.Close)
			}
			before, err := table.Counters(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			limit := patience
			if c.want == errTimeout {
				limit = 500 * time.Millisecond
			}
			conn, err := c.from.Dial("tcp", c.address, limit)
			if err == nil {
				closing(t, conn.Close)
			}
			if c.want == errTimeout {
				var timeout interface{ Timeout() bool }
				if !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("%v, want a timeout", err)
				}
			} else if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			after, err := table.Counters(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.rule != "" && after.Rules[c.rule].Packets == before.Rules[c.rule].Packets {
				t.Errorf("rule %s did not count", c.rule)
			}
			if c.byWhat != 0 && after.Defaults[c.byWhat].Packets == before.Defaults[c.byWhat].Packets {
				t.Errorf("the default for %s did not count", c.byWhat)
			}
		})
	}
}
