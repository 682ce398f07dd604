package policy

import (
	"testing"
	"time"
)

// bounded allows ssh with every bound.
func bounded() Rule {
	return Rule{Name: "ssh", Action: Allow, Scope: Inbound{}, Traffic: tcp(22), Severity: Low,
		Limit:          &Limit{Rate: Rate{Packets: 10, Per: time.Minute}, Burst: 10, Per: PerRule},
		MaxConnections: &MaxConnections{Count: 20, Per: PerRemote},
		Ban:            &BanOver{Over: Rate{Packets: 6, Per: time.Minute}, For: 15 * time.Minute}}
}

func TestOverABoundARuleBlocks(t *testing.T) {
	p := must(t, Defaults{Inbound: Block, Outbound: Allow}, bounded(), Rule{Name: "any", Action: Allow, Scope: Inbound{}, Traffic: AnyTraffic{}, Severity: Low})
	for _, c := range []struct {
		over   Bound
		want   Verdict
		reason string
	}{
		{0, Allow, "rule ssh allows tcp port 22 within 10/minute and 20 connections per remote, and bans over 6/minute for 15m"},
		{ByLimit, Block, "rule ssh allows tcp port 22 within 10/minute: over limit"},
		{ByConnections, Block, "rule ssh allows tcp port 22 within 20 connections per remote: over limit"},
		{ByBan, Block, "rule ssh allows tcp port 22 and bans over 6/minute: banned for 15m"},
		{ByFullBan, Block, "rule ssh allows tcp port 22 and bans over 6/minute: over limit, and no room for a ban"},
	} {
		f := inTCP("192.0.2.7", 22)
		if c.over != 0 {
			f.Over = map[Name]Bound{"ssh": c.over}
		}
		for _, d := range []Decision{p.Decide(f), p.Judge(f)} {
			if d.Verdict != c.want || d.By != "ssh" || d.Over != c.over || d.Reason != c.reason {
				t.Errorf("%v", d)
			}
		}
		if steps := p.Decide(f).Steps; len(steps) != 1 || !steps[0].Matched {
			t.Errorf("%v", steps)
		}
	}
}

func TestBoundsInWords(t *testing.T) {
	r := bounded()
	if got, want := r.Text(), "allow in tcp port 22 limit 10/minute max 20 connections per remote ban over 6/minute for 15m"; got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
	for _, c := range []struct{ got, want string }{
		{Limit{Rate{10, time.Second}, 5, PerRemote}.String(), "10/second burst 5 per remote"},
		{MaxConnections{1, PerRule}.String(), "1 connection"},
		{BanOver{Rate{1, time.Hour}, time.Hour}.String(), "over 1/hour for 1h"},
		{BanOver{Rate{1, 24 * time.Hour}, 90 * time.Second}.String(), "over 1/day for 1m30s"},
		{BanOver{Rate{1, time.Hour}, 20 * time.Second}.String(), "over 1/hour for 20s"},
		{BanOver{Rate{1, time.Hour}, 48*time.Hour + 30*time.Minute}.String(), "over 1/hour for 48h30m"},
		{Rate{}.String(), "unlimited"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

// What is over a rule's limit is blocked by that rule: it goes to no other.
func TestALimitedRuleHidesAllTheSame(t *testing.T) {
	limited, plain := bounded(), bounded()
	plain.Name, plain.Limit, plain.MaxConnections, plain.Ban = "plain", nil, nil, nil
	_, problems := New(Defaults{Inbound: Block, Outbound: Allow}, Log{}, []Rule{limited, plain}, time.Time{})
	if len(problems) != 1 || problems[0].Message != "rule plain can never match: the earlier rule ssh takes all that it asks for" {
		t.Errorf("%v", problems)
	}
	again := bounded()
	again.Name = "again"
	_, problems = New(Defaults{Inbound: Block, Outbound: Allow}, Log{}, []Rule{limited, again}, time.Time{})
	if len(problems) != 1 || problems[0].Message != "rule again is a duplicate of rule ssh" {
		t.Errorf("%v", problems)
	}
}

func TestBoundsThatDoNothing(t *testing.T) {
	for _, c := range []struct {
		action Verdict
		change func(*Rule)
		want   string
		fatal  bool
	}{
		{Block, func(r *Rule) { r.MaxConnections = nil }, "a rule that blocks does so within its limit and over it", false},
		{Reject, func(*Rule) {}, "a rule that rejects opens no connections that could be counted", true},
	} {
		r := bounded()
		r.Action = c.action
		c.change(&r)
		_, problems := New(Defaults{Inbound: Block, Outbound: Allow}, Log{}, []Rule{r}, time.Time{})
		if len(problems) != 1 || problems[0].Message != c.want || problems[0].Fatal != c.fatal {
			t.Errorf("%v", problems)
		}
	}
}
