package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

// What is dropped is looked up in the log, explained, and let pass by the command that explain prints.
func TestFixesLetPacketsPass(t *testing.T) {
	const patience = 5 * time.Second
	rule := func(name, action, direction, rest string) string {
		return fmt.Sprintf("[[rule]]\nname = %q\naction = %q\ndirection = %q\n%s\n", name, action, direction, rest)
	}
	tcp := func(address string) func(from, _ *hosts.Host) error {
		return func(from, _ *hosts.Host) error {
			c, err := from.Dial("tcp", address, silence)
			if err == nil {
				err = c.Close()
			}
			return err
		}
	}
	ping := func(to string) func(from, _ *hosts.Host) error {
		return func(from, _ *hosts.Host) error { return from.Ping(netip.Addr{}, netip.MustParseAddr(to), silence) }
	}
	for _, c := range []struct {
		name, config, more string
		out, forward       bool
		try                func(from, to *hosts.Host) error
		fix                string
	}{
		{name: "by a default", try: tcp("192.0.2.10:80"), fix: "pfw allow --in --protocol tcp --port 80 --remote 192.0.2.7"},
		{name: "by the default of IPv6", try: tcp("[2001:db8::10]:80"), fix: "pfw allow --in --protocol tcp --port 80 --remote 2001:db8::7"},
		{name: "by a rule", config: rule("ssh", "allow", "in", "port = 22") + rule("no-web", "block", "both", "port = \"80-90\"") + rule("last", "reject", "in", ""),
			try: tcp("192.0.2.10:80"), fix: "pfw allow --in --protocol tcp --port 80 --remote 192.0.2.7 --before no-web"},
		{name: "by a rule of another file", more: rule("last", "reject", "in", ""), try: tcp("192.0.2.10:80"),
			fix: "pfw allow --in --protocol tcp --port 80 --remote 192.0.2.7 --before last"},
		{name: "by a rule on what goes out", config: rule("out", "reject", "out", "protocol = \"tcp\"\nuser = 0"), out: true, try: tcp("192.0.2.7:80"),
			fix: "pfw allow --out --protocol tcp --port 80 --remote 192.0.2.7 --before out"},
		{name: "by a default for what goes out", config: "[default]\noutbound = \"block\"\n", out: true, try: tcp("[2001:db8::7]:80"),
			fix: "pfw allow --out --protocol tcp --port 80 --remote 2001:db8::7"},
		{name: "echo", try: ping("192.0.2.10"), fix: "pfw allow --in --protocol icmp --icmp-type echo-request --remote 192.0.2.7"},
		{name: "echo of ICMPv6", config: rule("deaf", "block", "in", "protocol = \"icmpv6\""), try: ping("2001:db8::10"),
			fix: "pfw allow --in --protocol icmpv6 --icmp-type echo-request --remote 2001:db8::7 --before deaf"},
		{name: "forwarded", config: "[default]\nforward = \"reject\"\n" + rule("transit", "block", "forward", "in_interface = \"left\""), forward: true, try: tcp("198.51.100.2:80"),
			fix: "pfw allow --forward --protocol tcp --port 80 --from 192.0.2.2 --to 198.51.100.2 --before transit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var local, from, to *hosts.Host
			if c.forward {
				from, local, to = hosts.Routed(t)
			} else if local, from = hosts.Pair(t); c.out {
				from, to = local, from
			} else {
				to = local
			}
			d := hosts.Prepare(t, local, c.config)
			if c.more != "" {
				dir := filepath.Join(filepath.Dir(d.Config), "firewall.d")
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "more.toml"), []byte(c.more), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Start(); err != nil {
				t.Fatal(err)
			}
			l, err := to.Listen("tcp", ":80")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if c.try(from, to) == nil {
				t.Fatal("it passes before anything is done")
			}
			e, err := d.WaitEntry(patience, func(e hosts.Entry) bool { return e.EventType == "drop" })
			if err != nil {
				t.Fatal(err)
			}
			out, _ := ask(t, d, 0, "explain", "--json", fmt.Sprint(e.Seq))
			var v api.Explain
			if err := json.Unmarshal([]byte(out), &v); err != nil || v.Fix != c.fix {
				t.Fatalf("%v: %q, want %q", err, v.Fix, c.fix)
			}
			ask(t, d, 0, strings.Fields(v.Fix)[1:]...)
			for deadline := time.Now().Add(patience); ; {
				if err = c.try(from, to); err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Errorf("after %s: %v", v.Fix, err)
					break
				}
			}
			out, _ = ask(t, d, 0, "explain", fmt.Sprint(e.Seq))
			has(t, out, "^now it would be ALLOW: rule allow-")
		})
	}
}
