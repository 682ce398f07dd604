package main

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pfw/config"
	"pfw/config/policy"
	"pfw/daemon/api"
)

const packetHint = "pfw explain --help tells how a packet is written"

func (a *app) explain() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "explain PACKET...|SEQ [--config FILE]",
		Short: "What would happen to a packet, and why",
		Long: `What would happen to the packet that opens a connection, which rule decides, and why the rules before it do not match.
Where it would not pass, the command that allows it is printed, with the narrowest rule that does.

A packet is written as in [[expect]], in one argument or as words:

    DIRECTION PROTOCOL[/ICMP-TYPE] [SOURCE][:PORT] -> [DESTINATION][:PORT]
        [on IFACE] [user NAME] [group NAME] [at TIME]

"to" and "→" may stand for "->", which a shell takes for a redirection unless it is quoted. What is left out does not
match a rule that asks for it, but for the source port and this machine's own address.

A line of pfw log, in quotes, is a packet, too; it is judged as of now.

SEQ is the number of an entry of the log, its "seq": why this was dropped, and what would become of it now where that
is something else.`,
		Example: example("pfw explain in tcp 192.168.1.20 to :22",
			"pfw explain --config firewall.toml out tcp to '[2001:db8::1]:25' user root",
			"pfw explain '2026-11-21 19:22:14 BLOCKED in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet-smtp'",
			"pfw explain 4711"),
		Args: words(1, math.MaxInt, "the packet"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := a.explanation(cmd.Context(), file, args)
			if err != nil {
				return err
			}
			return present(a, v, a.out.explain)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "by the rules of this `FILE`, without a daemon")
	return cmd
}

// explanation is by a file, or where none is named by the policy in force.
func (a *app) explanation(ctx context.Context, file string, args []string) (api.Explain, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	// No packet is a number.
	seq, err := strconv.ParseUint(args[0], 10, 64)
	isSeq := err == nil && len(args) == 1
	switch {
	case isSeq && file != "":
		return api.Explain{}, &usageError{"an entry of the log has no --config", "pfw explain " + args[0] + " asks the daemon that wrote it"}
	case isSeq:
		return a.client().ExplainEntry(ctx, seq)
	case file == "":
		return a.client().Explain(ctx, packet(args))
	}
	c, err := load(file)
	if err != nil {
		return api.Explain{}, err
	}
	return api.ExplainPacket(c.Policy, packet(args), config.Disk(), time.Now(), api.Live{})
}

// logLine is a line of pfw log, or of the journal, that tells of a packet: what is before it, and the packet.
var logLine = regexp.MustCompile(`^(?:.*\s)?(?:BLOCKED|REJECTED|ALLOWED|CUT)\s+((?:in|out|forward)\s.*\S)`)

// unlogged gives the packet that a line of the log tells of, as somebody would write it; other text stays as it is.
func unlogged(text string) string {
	found := logLine.FindStringSubmatch(text)
	if found == nil {
		return text
	}
	words := slices.DeleteFunc(strings.Fields(found[1]), func(w string) bool { return strings.HasPrefix(w, "rule=") })
	// The interface stands alone behind the destination, unless there are two, with "from" and "to".
	if arrow := slices.Index(words, "->"); arrow >= 0 && len(words) == arrow+3 {
		words = slices.Insert(words, arrow+2, "on")
	}
	return strings.Join(words, " ")
}

var arrowWord = regexp.MustCompile(`(^|\s)to(\s|$)`)

// packet joins the words of a packet. Where there is no arrow the first "to" is one: a later one may name an interface.
func packet(args []string) string {
	text := unlogged(strings.ReplaceAll(strings.Join(args, " "), "→", "->"))
	if at := arrowWord.FindStringSubmatchIndex(text); at != nil && !strings.Contains(text, "->") {
		text = text[:at[3]] + "->" + text[at[4]:]
	}
	return text
}

func (s *screen) explain(v api.Explain) {
	if v.Entry != nil {
		s.event(v.Entry)
	}
	s.printf("%s  %s\n", styled{actionStyle(v.Verdict), strings.ToUpper(v.Verdict)}, v.Packet)
	s.decision(v.Decision)
	if v.Now != nil {
		s.printf("now it would be %s: ", styled{actionStyle(v.Now.Verdict), strings.ToUpper(v.Now.Verdict)})
		s.decision(*v.Now)
	}
	for _, n := range v.Notices {
		s.printf("%s  %s\n", styled{yellow, "notice"}, n.What)
	}
	if len(v.Steps) > 0 {
		s.printf("\n")
		s.steps(v.Steps)
	}
	if v.Fix != "" {
		s.printf("\nto let it pass:\n  %s\n", styled{bold, v.Fix})
	}
}

func (s *screen) decision(d api.Decision) {
	switch {
	case d.File != "":
		s.printf("%s (%s:%d)\n", d.Reason, d.File, d.Line)
	case slices.Contains(alwaysNames, d.Rule):
		s.printf("always in force, before any rule: %s: %s\n", d.Rule, d.Reason)
	default:
		s.printf("%s\n", d.Reason)
	}
}

// alwaysNames are what decides before any rule.
var alwaysNames = func() (names []string) {
	for _, a := range policy.InForceInPanic {
		names = append(names, a.String())
	}
	return names
}()

func (s *screen) steps(steps []api.Step) {
	var rows [][]cell
	for _, step := range steps {
		mark := cell{text: "no", style: faint}
		if step.Matched {
			mark = cell{text: "yes", style: green}
		}
		rows = append(rows, []cell{{text: "  " + step.Rule, style: bold}, mark, {text: step.Why}})
	}
	s.table(rows, 2)
}
