package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"pfw/config"
	"pfw/config/policy"
)

// drafted is the rule that a command line asks for.
func drafted(t *testing.T, line string) (config.Draft, error) {
	t.Helper()
	cmd := (&app{}).write("allow", "", "", "")
	if err := cmd.ParseFlags(strings.Fields(line)); err != nil {
		t.Fatal(err)
	}
	return draft(cmd.Flags(), "allow", time.Date(2026, 11, 21, 19, 22, 14, 1, time.FixedZone("", 3600)))
}

func TestRuleFromFlags(t *testing.T) {
	for line, want := range map[string]string{
		"--in": "direction = \"in\"\n",
		"--direction both --port 22 --port 80,443 --enabled=false":              "direction = \"both\"\nenabled = false\nport = [22, 80, 443]\n",
		"--out --user 0,alice --log --until 2h":                                 "direction = \"out\"\nuser = [0, \"alice\"]\nuntil = 2026-11-21T21:22:15+01:00\nlog = true\n",
		"--in --out=false --comment a,b":                                        "direction = \"in\"\ncomment = \"a,b\"\n",
		"--in --remote=,":                                                       "direction = \"in\"\nremote = [\"\", \"\"]\n",
		"--forward --out-interface eth0 --source-port 1024-65535 --icmp-type 8": "direction = \"forward\"\nsource_port = \"1024-65535\"\nicmp_type = 8\nout_interface = \"eth0\"\n",
	} {
		d, err := drafted(t, line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got, err := d.TOML(); err != nil || got != "[[rule]]\naction = \"allow\"\n"+want {
			t.Errorf("%s: %v\n%s", line, err, got)
		}
	}
	for line, want := range map[string]string{
		"": "direction is missing", "--in --both": "one direction, not in and both", "--in --direction in": "one direction, not in and in",
		"--in --until 25": "no moment", "--in --comment \xff": "not UTF-8", "--in=false": "direction is missing",
	} {
		var usage *usageError
		if _, err := drafted(t, line); !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestNamesThatAreMade(t *testing.T) {
	taken := []string{"allow-in-udp-53", "allow-in-udp-53-2"}
	for line, want := range map[string]string{
		"--in --protocol tcp --port 22":                      "allow-in-tcp-22",
		"--in --protocol tcp --port ssh --remote @lan":       "allow-in-tcp-22",
		"--in --protocol TCP --port http,8000-8100":          "allow-in-tcp-80-8000-8100",
		"--in --protocol tcp,udp --port 53":                  "allow-in-tcp-udp-53",
		"--in --protocol udp --port domain":                  "allow-in-udp-53-3",
		"--in --port no-such-service":                        "allow-in-no-such-service",
		"--in --protocol icmp,icmpv6 --icmp-type echo-reply": "allow-in-icmp-icmpv6-echo-reply",
		"--in": "allow-in",
		"--in --remote !203.0.113.0/24,@lan --user alice":                "allow-in-203.0.113.0-24-lan",
		"--both --remote 2001:db8::1":                                    "allow-both-2001-db8-1",
		"--out --user 1000":                                              "allow-out-1000",
		"--forward --to ..":                                              "allow-forward",
		"--in --remote " + strings.Repeat("192.0.2.1,", 9) + "192.0.2.2": "allow-in-192.0.2.1-192.0.2.1-192.0.2.1-192.",
	} {
		d, err := drafted(t, line)
		if err != nil {
			t.Fatal(err)
		}
		got := nameFor(d, taken)
		want = strings.TrimRight(want, "-.")
		if _, bad := policy.ParseName(got); got != want || bad != nil {
			t.Errorf("%s: %s, want %s (%v)", line, got, want, bad)
		}
	}
}

// Every key that a rule has is a flag, and is explained.
func TestEveryKeyIsAFlag(t *testing.T) {
	cmd := (&app{}).write("block", "", "", "")
	for _, k := range config.RuleKeys {
		if f := cmd.Flags().Lookup(k.Flag()); k.Key != "action" && (f == nil || !regexp.MustCompile("`[A-Z]+`|=false").MatchString(f.Usage)) {
			t.Errorf("%s: %+v", k.Key, f)
		}
	}
	if len(keyUsage) != len(config.RuleKeys)-1 {
		t.Errorf("%d keys are explained, of %d", len(keyUsage), len(config.RuleKeys)-1)
	}
}
