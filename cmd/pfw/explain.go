package main

import (
	"context"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pfw/config"
	"pfw/daemon/api"
)

const packetHint = "pfw explain --help tells how a packet is written"

func (a *app) explain() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "explain PACKET... [--config FILE]",
		Short: "What would happen to a packet, and why",
		Long: `What would happen to the packet that opens a connection, which rule decides, and why the rules before it do not match.

A packet is written as in [[expect]], in one argument or as words:

  DIRECTION PROTOCOL[/ICMP-TYPE] [SOURCE][:PORT] -> [DESTINATION][:PORT]
            [on IFACE] [user NAME] [group NAME] [at TIME]

"to" and "→" may stand for "->", which a shell takes for a redirection unless it is quoted. What is left out does not
match a rule that asks for it, but for the source port and this machine's own address.`,
		Example: example("pfw explain in tcp 192.168.1.20 to :22",
			"pfw explain --config firewall.toml out tcp to '[2001:db8::1]:25' user alice"),
		Args: words(1, math.MaxInt, "the packet"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := a.explanation(cmd.Context(), file, packet(args))
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
func (a *app) explanation(ctx context.Context, file, packet string) (api.Explain, error) {
	if file == "" {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		return a.client().Explain(ctx, packet)
	}
	c, err := load(file)
	if err != nil {
		return api.Explain{}, err
	}
	return api.ExplainPacket(c.Policy, packet, config.Disk(), time.Now())
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
	s.printf("%s  %s\n", styled{actionStyle(v.Verdict), strings.ToUpper(v.Verdict)}, v.Packet)
	switch {
	case v.File != "":
		s.printf("%s (%s:%d)\n", v.Reason, v.File, v.Line)
	case v.Rule == "default":
		s.printf("%s\n", v.Reason)
	default:
		s.printf("always in force, before any rule: %s: %s\n", v.Rule, v.Reason)
	}
	if len(v.Steps) == 0 {
		return
	}
	s.printf("\n")
	var rows [][]cell
	for _, step := range v.Steps {
		mark := cell{text: "no", style: faint}
		if step.Matched {
			mark = cell{text: "yes", style: green}
		}
		rows = append(rows, []cell{{text: "  " + step.Rule, style: bold}, mark, {text: step.Why}})
	}
	s.table(rows, 2)
}
