package config

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestDraft(t *testing.T) {
	for _, c := range []struct {
		draft         Draft
		toml, command string
	}{
		{Draft{"action": {"allow"}, "direction": {"in"}, "protocol": {"tcp"}, "port": {"22"}, "remote": {"192.0.2.7"}},
			"action = \"allow\"\ndirection = \"in\"\nprotocol = \"tcp\"\nport = 22\nremote = \"192.0.2.7\"\n",
			"pfw allow --in --protocol tcp --port 22 --remote 192.0.2.7"},
		{Draft{"name": {"a"}, "action": {"block"}, "direction": {"forward"}, "from": {"!10.0.0.1", "@lan"}, "to": {"::/0"}, "in_interface": {"wl*"}},
			"name = \"a\"\naction = \"block\"\ndirection = \"forward\"\nfrom = [\"!10.0.0.1\", \"@lan\"]\nto = \"::/0\"\nin_interface = \"wl*\"\n",
			"pfw block --forward --name a --from '!10.0.0.1,@lan' --to ::/0 --in-interface 'wl*'"},
		{Draft{"action": {"reject"}, "direction": {"out"}, "enabled": {"false"}, "comment": {"it's \"old\"\\"}, "port": {"22", "8000-8100", "ssh", "022"},
			"user": {"1000", "alice"}, "schedule": {"mon-fri,sun 22:00-06:00"}, "until": {"2026-11-21T19:22:14+01:00"}, "log": {"false"}, "severity": {"high"}},
			"action = \"reject\"\ndirection = \"out\"\nenabled = false\ncomment = \"it's \\\"old\\\"\\\\\"\nport = [22, \"8000-8100\", \"ssh\", \"022\"]\nuser = [1000, \"alice\"]\n" +
				"schedule = { days = [\"mon-fri\", \"sun\"], from = \"22:00\", to = \"06:00\" }\nuntil = 2026-11-21T19:22:14+01:00\nlog = false\nseverity = \"high\"\n",
			`pfw reject --out --enabled=false --comment 'it'\''s "old"\' --port 22,8000-8100,ssh,022 --user 1000,alice --schedule 'mon-fri,sun 22:00-06:00' --until 2026-11-21T19:22:14+01:00 --log=false --severity high`},
		{Draft{"schedule": {"sat"}}, "schedule = { days = \"sat\" }\n", "pfw --schedule sat"},
		{Draft{"schedule": {`{ days = "sat", from = "9:00", to = "17:00" }`}}, "schedule = { days = \"sat\", from = \"9:00\", to = \"17:00\" }\n",
			`pfw --schedule '{ days = "sat", from = "9:00", to = "17:00" }'`},
		{Draft{"schedule": {"9:00-17:00"}}, "schedule = { from = \"9:00\", to = \"17:00\" }\n", "pfw --schedule 9:00-17:00"},
		{Draft{"limit": {"10/minute burst 5 per remote"}, "max_connections": {"20 connections per remote"}, "ban": {"over 6/minute for 15m"}},
			"limit = { rate = \"10/minute\", burst = 5, per = \"remote\" }\nmax_connections = { count = 20, per = \"remote\" }\nban = { over = \"6/minute\", for = \"15m\" }\n",
			"pfw --limit '10/minute burst 5 per remote' --max-connections '20 connections per remote' --ban 'over 6/minute for 15m'"},
		{Draft{"limit": {"10/minute"}, "max_connections": {"20"}, "ban": {`{ over = "6/minute", for = "15m" }`}},
			"limit = { rate = \"10/minute\" }\nmax_connections = { count = 20 }\nban = { over = \"6/minute\", for = \"15m\" }\n",
			"pfw --limit 10/minute --max-connections 20 --ban '{ over = \"6/minute\", for = \"15m\" }'"},
	} {
		toml, err := c.draft.TOML()
		if err != nil || toml != "[[rule]]\n"+c.toml {
			t.Errorf("%v\ngot  %s\nwant %s", err, toml, c.toml)
		}
		if got := c.draft.Command(); got != c.command {
			t.Errorf("\ngot  %s\nwant %s", got, c.command)
		}
	}
	if got := (Draft{"action": {"allow"}}).Command("--before", "x"); got != "pfw allow --before x" {
		t.Error(got)
	}
	for _, bad := range []string{"", " ", "mon 22:00", "22:00-23:00 mon", "mon tue", "mon 22:00-23:00 x", "{}\nlog = true", "{}\n[[rule]]"} {
		if toml, err := (Draft{"schedule": {bad}}).TOML(); err == nil {
			t.Errorf("%q: %s", bad, toml)
		}
	}
	for key, bad := range map[string][]string{
		"limit":           {"", "10/minute 5", "10/minute burst", "10/minute per remote burst 5", "burst 5", "{}\nlog = true"},
		"max_connections": {"", "20 remote", "20 for 5m"}, "ban": {"", "over", "6/minute 15m", "6/minute for", "for 15m"},
	} {
		for _, text := range bad {
			if toml, err := (Draft{key: {text}}).TOML(); err == nil {
				t.Errorf("%s %q: %s", key, text, toml)
			}
		}
	}
}

// Whatever somebody types as a comment, the file says it back.
func TestTextInQuotationMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Filter(utf8.ValidString).Draw(t, "text")
		f := parse("", []byte("a = "+quote(text)+"\n"))
		if len(f.problems) > 0 || f.root.fields["a"].value.text != text || strings.Contains(quote(text), "\n") {
			t.Fatalf("%q: %s: %v", text, quote(text), f.problems)
		}
	})
}

// A key that rules learn is one that can be written.
func TestAllKeysOfARuleCanBeWritten(t *testing.T) {
	hint := refused(t, inRule("in", "zzzzzzzzzzzz = 1")).Problems[0].Hint
	known := strings.Split(strings.TrimPrefix(hint, "valid keys: "), ", ")
	var written []string
	for _, k := range RuleKeys {
		written = append(written, k.Key)
	}
	slices.Sort(known)
	slices.Sort(written)
	if !slices.Equal(known, written) {
		t.Errorf("rules know %v, drafts %v", known, written)
	}
}
