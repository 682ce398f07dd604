package main

import (
	"fmt"
	"io"
	"strings"

	"pfw/e2e/hosts"
)

// screen is where the demo shows things.
type screen struct {
	out    io.Writer
	colour bool
}

type colour string // an ANSI escape sequence

const (
	bold   colour = "\x1b[1m"
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
)

// words and colours of the verdicts.
var verdicts = map[string]struct {
	word   string
	colour colour
}{
	"allow":  {"ALLOWED", green},
	"block":  {"BLOCKED", red},
	"reject": {"REJECTED", yellow},
}

func (s *screen) paint(c colour, text string) string {
	if !s.colour {
		return text
	}
	return string(c) + text + "\x1b[0m"
}

func (s *screen) text(text string) {
	// What cannot be shown cannot be reported either.
	_, _ = fmt.Fprintln(s.out, strings.TrimRight(text, "\n"))
}

func (s *screen) heading(text string) { s.text("\n" + s.paint(bold, "== "+text)) }

func (s *screen) introduce(config string) {
	s.heading("pfwd on a laptop, with " + config)
	s.text(fmt.Sprintf(`laptop     %-13s  %-12s  on the LAN
           %-13s  %-12s  on the internet
neighbour  %-13s  %-12s  on the same LAN
stranger   %-13s  %-12s  anywhere else

These are network namespaces made for the occasion; nothing of this machine is touched. Allowed
connections are logged too, to show them. What follows is for each attempt what was sent and what
became of it, the rule that "pfw explain" named beforehand, and the rule in the audit log.`,
		laptopLAN, laptopLAN6, laptopWAN, laptopWAN6, neighbour, neighbour6, stranger, stranger6))
}

// attempt shows what was sent, and the verdict that its ends saw.
func (s *screen) attempt(p probe, packet string, got outcome) {
	v := verdicts[got.verdict]
	s.text(fmt.Sprintf("%s  %-30s %s", s.paint(v.colour, fmt.Sprintf("%-8s", v.word)), p.title, packet))
}

// result shows what became of an attempt, and who decided.
func (s *screen) result(got outcome, told explanation, logged string) {
	s.text(fmt.Sprintf("          %-30s explain: %-16s log: %s", got.seen, told.Rule, logged))
}

// wrong shows what is not as it should be, and is false.
func (s *screen) wrong(format string, args ...any) bool {
	s.text(s.paint(red, "WRONG     "+fmt.Sprintf(format, args...)))
	return false
}

// expect tells whether something is as wanted, and shows it where it is not.
func (s *screen) expect(what, got, want string) bool {
	return got == want || s.wrong("%s: %q, want %q", what, got, want)
}

func (s *screen) invite(pfw string, d *hosts.Daemon, n *network) {
	s.text(fmt.Sprintf(`From another terminal, as the same user:

  export PFW_SOCKET=%[1]s
  %[2]s status
  $EDITOR %[3]s; %[2]s reload
  %[4]s ping -c 1 %[5]s

The last comes from the neighbour.

%[6]s
`, d.Socket, pfw, d.Config, n.enterOther(), laptopLAN, s.paint(bold, "Press Enter to end the demo.")))
}

// event shows a line of `pfw monitor`.
func (s *screen) event(line string) {
	for _, v := range verdicts {
		line = strings.Replace(line, " "+v.word+" ", " "+s.paint(v.colour, v.word)+" ", 1)
	}
	s.text(line)
}
