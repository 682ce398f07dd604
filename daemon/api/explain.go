package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/audit"
)

// Explainer is the daemon's side of explain.
type Explainer interface {
	// Explain judges a packet by the policy in force. See ExplainPacket.
	Explain(ctx context.Context, packet string) (Explain, error)
	// ExplainEntry tells of the packet of an entry of the log. See ExplainEntry.
	ExplainEntry(ctx context.Context, seq uint64) (Explain, error)
}

// Explain is what would happen to a packet, or what happened to one that is in the log, and why.
type Explain struct {
	Packet string `json:"packet"`
	Decision
	// Steps are the rules that are asked, in order, the deciding one last.
	Steps []Step `json:"steps"`
	// Entry is the entry that was asked about, absent for a packet that somebody wrote down.
	Entry *audit.Entry `json:"entry,omitempty"`
	// Now is what would become of the entry's packet, where that is not what did become of it.
	Now *Decision `json:"now,omitempty"`
	// Fix is a command that would let the packet pass, absent where it passes, or nothing would.
	Fix string `json:"fix,omitempty"`
	// Notices say who else may refuse a packet that passes here, absent where nobody does.
	Notices []Fault `json:"notices,omitempty"`
}

// Decision is what becomes of a packet.
type Decision struct {
	Verdict string `json:"verdict"`
	Rule    string `json:"rule"`
	Reason  string `json:"reason"`
	// File and Line are where the deciding rule stands; absent where no rule of a file decides.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Step is one rule that was asked.
type Step struct {
	Rule    string `json:"rule"`
	Matched bool   `json:"matched"`
	Why     string `json:"why"`
}

// Live is what a daemon knows that has the policy in force. The zero value is for a policy that none has.
type Live struct {
	// Ban finds the ban that a packet meets. nil finds none.
	Ban func(*policy.Flow) (Ban, bool)
	// Names knows the addresses of names, nil none.
	Names policy.Naming
}

// ExplainPacket tells what the policy does to a packet that somebody wrote down, at a time where the packet names
// none. A packet that cannot be read is a *RequestError.
func ExplainPacket(p *policy.Policy, packet string, source config.Source, now time.Time, live Live) (Explain, error) {
	flow, err := config.ParsePacket(packet, source, now)
	if err != nil {
		return Explain{}, &RequestError{err}
	}
	e := newExplain(p, flow, live)
	if t, ok := flow.Time.Get(); ok && t.Equal(now) {
		// Said back as it was asked.
		flow.Time = policy.Field[time.Time]{}
		e.Packet = config.FormatPacket(flow)
	}
	return e, nil
}

// newExplain tells what the policy does to the packet that opens a connection, and why.
func newExplain(p *policy.Policy, flow policy.Flow, live Live) Explain {
	var ban Ban
	flow.Names = live.Names
	if live.Ban != nil {
		ban, flow.Banned = live.Ban(&flow)
	}
	d := p.Decide(flow)
	e := Explain{Packet: config.FormatPacket(flow), Decision: newDecision(&d), Steps: []Step{}, Fix: fix(&d, &flow)}
	switch d.By {
	case policy.Banned.String():
		e.Reason, e.Fix = ban.text(), "pfw unban "+ban.Address
	case policy.Panic.String():
		e.Fix = "pfw panic off"
	}
	for _, s := range d.Steps {
		e.Steps = append(e.Steps, Step{Rule: string(s.Rule.Name), Matched: s.Matched, Why: s.Why})
	}
	return e
}

func newDecision(d *policy.Decision) Decision {
	out := Decision{Verdict: d.Verdict.String(), Rule: d.By, Reason: d.Reason}
	if d.Rule != nil {
		out.File, out.Line = d.Rule.Origin.File, d.Rule.Origin.Line
	}
	return out
}

// text says in one clause until when and why.
func (b Ban) text() string {
	end := "for good"
	if b.Until != nil {
		end = "until " + b.Until.Local().Format(time.DateTime)
	}
	return fmt.Sprintf("%s is banned %s: %s", b.Address, end, b.Reason)
}

type explainRequest struct {
	Packet *string `json:"packet,omitempty"`
	Seq    *uint64 `json:"seq,omitempty"`
}

func explain(s *server, w http.ResponseWriter, r *http.Request) error {
	var ask explainRequest
	if err := body(r, &ask); err != nil {
		return err
	}
	switch {
	case (ask.Packet == nil) == (ask.Seq == nil):
		return newProblem(http.StatusBadRequest, `one of "packet" and "seq" is wanted: "in tcp 192.0.2.7 -> :22", say, or the number of an entry`)
	case ask.Seq != nil:
		v, err := s.backend.ExplainEntry(r.Context(), *ask.Seq)
		return answer(w, v.whole(), err)
	}
	v, err := s.backend.Explain(r.Context(), *ask.Packet)
	return answer(w, v.whole(), err)
}

func (e Explain) whole() Explain {
	e.Steps = whole(e.Steps)
	return e
}

// Explain asks what the policy in force does to a packet.
func (c *Client) Explain(ctx context.Context, packet string) (v Explain, err error) {
	return v, c.post(ctx, "explain", explainRequest{Packet: &packet}, &v)
}

// ExplainEntry asks why what an entry of the log tells of happened.
func (c *Client) ExplainEntry(ctx context.Context, seq uint64) (v Explain, err error) {
	return v, c.post(ctx, "explain", explainRequest{Seq: &seq}, &v)
}
