package main

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"pfw/e2e/hosts"
)

// screen is where the demo shows things.
type screen struct {
	out    io.Writer
	colour bool
	enter  <-chan struct{} // closed when the person is done; nil off a terminal
}

type colour string // an ANSI escape sequence

const (
	plain  colour = ""
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

func (s *screen) line(c colour, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.colour && c != plain {
		text = string(c) + text + "\x1b[0m"
	}
	s.text(text)
}

func (s *screen) text(text string) {
	// What cannot be shown cannot be reported either.
	_, _ = fmt.Fprintln(s.out, strings.TrimRight(text, "\n"))
}

func (s *screen) heading(text string) { s.line(bold, "\n== %s", text) }

func (s *screen) introduce(config string) {
	s.heading("pfw demo")
	s.text(fmt.Sprintf(`laptop    %s (LAN), %s, %s (LAN), %s: pfwd runs here with %s
neighbour %s, %s: on the laptop's LAN
stranger  %s, %s: anywhere else
All are network namespaces made for this demo. Allowed connections are logged too, to show them.
`,
		laptopLAN, laptopWAN, laptopLAN6, laptopWAN6, config, neighbour, neighbour6, stranger, stranger6))
}

// attempt shows one attempt and what its ends saw.
func (s *screen) attempt(p probe, packet string, got outcome) {
	v := verdicts[got.verdict]
	s.line(v.colour, "%-8s  %s", v.word, p.title)
	s.text("      packet   " + packet)
	s.text("      result   " + got.seen)
}

// expect tells whether something is as wanted, and shows it where it is not.
func (s *screen) expect(what, got, want string) bool {
	if got != want {
		s.line(red, "      WRONG    %s: %q, want %q", what, got, want)
	}
	return got == want
}

func (s *screen) invite(d *hosts.Daemon, n *network) {
	s.text(fmt.Sprintf(`From another terminal, try
  bin/pfw --socket %s status
  $EDITOR %s; bin/pfw --socket %s reload
  sudo nsenter --net=%s ping -c1 %s      # as the neighbour
Press Enter to end the demo.
`, d.Socket, d.Config, d.Socket, n.other.Path(), laptopLAN))
}

// event shows a live entry.
func (s *screen) event(e hosts.Entry) {
	s.line(verdicts[e.PFW.Action].colour, "%s", entryLine(e))
}

// entryLine is an entry of the log in one line, as the journal has it.
func entryLine(e hosts.Entry) string {
	v, ok := verdicts[e.PFW.Action]
	if !ok {
		return e.Line
	}
	iface := e.InIface
	if e.Direction == "out" {
		iface = e.OutIface
	}
	return fmt.Sprintf("%s %s %s %s -> %s %s rule=%s", v.word, e.Direction, strings.ToLower(e.Proto),
		end(e.SrcIP, e.SrcPort), end(e.DestIP, e.DestPort), iface, e.PFW.Rule)
}

func end(address string, port uint16) string {
	if port == 0 {
		return address
	}
	return net.JoinHostPort(address, strconv.Itoa(int(port)))
}
