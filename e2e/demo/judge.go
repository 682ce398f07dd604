package main

import (
	"encoding/json"
	"fmt"
	"time"

	"pfw/e2e/hosts"
)

// explanation is what `pfw explain --json` says of a packet.
type explanation struct {
	Verdict string `json:"verdict"`
	Rule    string `json:"rule"`
}

// logLimit is how long an entry may take from the packet to the file, on a
// machine that is busy with other things.
const logLimit = 10 * time.Second

// judge makes one attempt, shows what became of it, and tells whether the other
// end, `pfw explain` and the log all say what they should.
func (s *stage) judge(p probe, source uint16) (bool, error) {
	packet := p.packet(source)
	out, err := s.daemon.Pfw("explain", "--json", packet)
	if err != nil {
		return false, err
	}
	var told explanation
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		return false, fmt.Errorf("read pfw explain: %w", err)
	}
	before, err := s.daemon.Rules()
	if err != nil {
		return false, err
	}
	patience := long
	if p.verdict == "block" {
		patience = short
	}
	got, err := s.net.send(p, source, patience)
	if err != nil {
		return false, err
	}
	s.attempt(p, packet, got)
	ok := s.expect("what happened", got.verdict, p.verdict)
	ok = s.expect("what pfw explain says", told.Verdict, p.verdict) && ok
	if p.unlogged {
		return s.quiet(p, source, got, told, before.Packets()[told.Rule], ok)
	}
	entry, err := s.daemon.WaitEntry(logLimit, func(e hosts.Entry) bool { return p.matches(e, source) })
	if err != nil {
		s.result(got, told, "nothing")
		return s.wrong("%v", err), nil
	}
	s.result(got, told, entry.PFW.Rule)
	ok = s.expect("action in the log", entry.PFW.Action, p.verdict) && ok
	return s.expect("rule in the log", entry.PFW.Rule, told.Rule) && ok, nil
}

// quiet is for noise: counted, and not in the log.
func (s *stage) quiet(p probe, source uint16, got outcome, told explanation, before uint64, ok bool) (bool, error) {
	after, err := s.daemon.Rules()
	if err != nil {
		return false, err
	}
	all, err := s.daemon.Entries()
	if err != nil {
		return false, err
	}
	for _, e := range all {
		if p.matches(e, source) {
			s.result(got, told, e.PFW.Rule)
			return s.wrong("it is in the log, and the rule says it is not to be"), nil
		}
	}
	s.result(got, told, "none (log = false), counted")
	return s.expect("packets counted", fmt.Sprint(after.Packets()[told.Rule]-before), "1") && ok, nil
}
