package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"pfw/e2e/hosts"
)

// explanation is what `pfw explain --json` says of a packet.
type explanation struct {
	Verdict string `json:"verdict"`
	Rule    string `json:"rule"`
	Reason  string `json:"reason"`
}

// logLimit is how long an entry may take from the packet to the file.
const logLimit = 2 * time.Second

// judge makes one attempt, shows what became of it, and tells whether the other
// end, `pfw explain` and the log all say what they should.
func judge(s *screen, n *network, d *hosts.Daemon, p probe, source uint16) (bool, error) {
	packet := p.packet(source)
	out, err := d.Pfw("explain", "--json", packet)
	if err != nil {
		return false, err
	}
	var told explanation
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		return false, fmt.Errorf("read pfw explain: %w", err)
	}
	before, err := counter(d, told.Rule)
	if err != nil {
		return false, err
	}
	got, err := n.send(p, source)
	if err != nil {
		return false, err
	}
	s.attempt(p, packet, got)
	s.line(plain, "      explain  %s: %s", told.Rule, told.Reason)
	ok := s.expect("what happened", got.verdict, p.verdict)
	ok = s.expect("pfw explain's verdict", told.Verdict, p.verdict) && ok
	if p.unlogged {
		return quiet(s, d, p, source, told.Rule, before, ok)
	}
	entry, err := d.WaitEntry(logLimit, func(e hosts.Entry) bool { return p.matches(e, source) })
	if err != nil {
		s.line(red, "      WRONG    log: %v", err)
		return false, nil
	}
	s.line(plain, "      log      %s", entryLine(entry))
	ok = s.expect("action in the log", entry.PFW.Action, p.verdict) && ok
	ok = s.expect("rule in the log", entry.PFW.Rule, told.Rule) && ok
	return ok, nil
}

// quiet is for noise: counted, and not in the log.
func quiet(s *screen, d *hosts.Daemon, p probe, source uint16, rule string, before uint64, ok bool) (bool, error) {
	after, err := counter(d, rule)
	if err != nil {
		return false, err
	}
	all, err := d.Entries()
	if err != nil {
		return false, err
	}
	for _, e := range all {
		if p.matches(e, source) {
			s.line(red, "      WRONG    log: %s, want no entry", entryLine(e))
			return false, nil
		}
	}
	s.line(plain, "      log      none, as the rule says; its counter went from %d to %d packets", before, after)
	return s.expect("packets counted", fmt.Sprint(after-before), "1") && ok, nil
}

// counter is the packets that a rule decided so far; 0 for what is no rule of
// the file.
func counter(d *hosts.Daemon, rule string) (uint64, error) {
	out, err := d.Pfw("rules", "--json")
	if err != nil {
		return 0, err
	}
	var told struct {
		Rules []struct {
			Name    string `json:"name"`
			Packets uint64 `json:"packets"`
		} `json:"rules"`
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		return 0, fmt.Errorf("read pfw rules: %w", err)
	}
	for _, r := range told.Rules {
		if r.Name == rule {
			return r.Packets, nil
		}
	}
	return 0, nil
}

// summary shows what a person would ask pfw afterwards.
func summary(s *screen, d *hosts.Daemon) error {
	for _, verb := range []string{"status", "rules"} {
		out, err := d.Pfw(verb)
		if err != nil {
			return err
		}
		s.heading("pfw " + verb)
		s.text(out)
	}
	all, err := d.Entries()
	if err != nil {
		return err
	}
	s.heading("the end of the audit log")
	for _, e := range all[max(0, len(all)-3):] {
		s.text(e.Line)
	}
	s.text("")
	return nil
}

// stayOn keeps traffic going and shows the log as it grows, until Enter, Ctrl-C
// or the end of pfwd.
func stayOn(ctx context.Context, s *screen, n *network, d *hosts.Daemon, source uint16) error {
	s.heading("live")
	s.invite(d, n)
	all, err := d.Entries()
	if err != nil {
		return err
	}
	shown := len(all)
	tick := time.NewTicker(700 * time.Millisecond)
	defer tick.Stop()
	for ; ; source = max(source+1, firstPort) {
		select {
		case <-ctx.Done():
			return nil // Ctrl-C is one of the two ways to be done here
		case <-s.enter:
			return nil
		case <-d.Exited():
			return fmt.Errorf("pfwd ended by itself")
		case <-tick.C:
		}
		if _, err := n.send(probes[rand.IntN(len(probes))], source); err != nil {
			return err
		}
		if all, err = d.Entries(); err != nil {
			return err
		}
		for ; shown < len(all); shown++ {
			s.event(all[shown])
		}
	}
}
