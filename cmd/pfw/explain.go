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

SEQ is the number of an entry of the log, its "seq": why this was dropped, and what would become of it now where that
is something else.`,
		Example: example("pfw explain in tcp 192.168.1.20 to :22",
			"pfw explain --config firewall.toml out tcp to '[2001:db8::1]:25' user root",
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
	return api.ExplainPacket(c.Policy, packet(args), config.Disk(), time.Now(), nil)
}

var arrowWord = regexp.MustCompile(`(^|\s)to(\s|$)`)

// packet joins the words of a packet. Where there is no arrow the first "to" is one: a later one may name an interface.
func packet(args []string) string {
	text := strings.ReplaceAll(strings.Join(args, " "), "→", "->")
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
