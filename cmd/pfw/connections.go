package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

func (a *app) connections() *cobra.Command {
	var only sorts
	cmd := &cobra.Command{
		Use:   "connections [--listening|--established] [--blocked]",
		Short: "Open sockets, who holds them, and what the policy says of each",
		Long: "The open TCP and UDP sockets: local and remote address and port, state, process, user, unit, bytes where conntrack\n" +
			"counts them (sysctl net.netfilter.nf_conntrack_acct=1), and what the policy in force says, with the deciding rule.\n" +
			"NAME is what was asked of the DNS last when it gave the remote address, while a rule names a domain.\n" +
			"What waits for others shows from where it can be reached; every socket can be reached from this machine itself.\n" +
			"BLOCKED is what the policy refuses: what nobody may reach, what is refused while it is being opened, and what was\n" +
			"opened before and could not be ended.",
		Example: example("pfw connections --listening", "pfw connections --json | jq '.connections[] | select(.verdict != \"allow\")'"),
		Args:    words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if only.listening && only.established {
				return &usageError{"--listening and --established exclude each other", "leave both out to see all"}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), askTime)
			defer cancel()
			c, err := a.client().Connections(ctx)
			if err != nil {
				return err
			}
			c.Connections = slices.DeleteFunc(c.Connections, only.leavesOut)
			return present(a, c, a.out.connections)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&only.listening, "listening", false, "only what waits for others")
	flags.BoolVar(&only.established, "established", false, "only what has another end, in whatever state")
	flags.BoolVar(&only.blocked, "blocked", false, "only what the policy refuses")
	return cmd
}

// sorts is which sockets are asked for.
type sorts struct{ listening, established, blocked bool }

func (o sorts) leavesOut(c api.Connection) bool {
	return o.listening && c.Reach == nil || o.established && c.Reach != nil || o.blocked && c.Verdict == "allow"
}

// connections has two tables, as what listens has no other end, and what is connected is reached by that end alone.
func (s *screen) connections(v api.Connections) {
	var listening, connected [][]cell
	for _, c := range v.Connections {
		said := cell{text: verdictWord(c.Verdict) + " " + c.Rule, style: actionStyle(c.Verdict)}
		who := []cell{{text: process(c), style: bold}, {text: user(c)}, {text: c.Unit}}
		if c.Reach != nil {
			row := []cell{{text: c.Proto}, {text: c.State, style: faint}, {text: endOf(c.LocalIP, c.LocalPort, c)}}
			listening = append(listening, slices.Concat(row, who, []cell{{text: reach(c.Reach)}, said}))
			continue
		}
		row := []cell{
			{text: c.Proto}, {text: c.State, style: faint}, {text: endOf(c.LocalIP, c.LocalPort, c)}, {text: arrow(c.Direction)},
			{text: endOf(c.RemoteIP, c.RemotePort, c)}, {text: c.Name},
		}
		bytes := []cell{{text: known(c.BytesIn), right: true}, {text: known(c.BytesOut), right: true}}
		connected = append(connected, slices.Concat(row, who, bytes, []cell{said}))
	}
	s.part([]string{"PROTO", "STATE", "LISTENS AT", "PROCESS", "USER", "UNIT", "REACHABLE", "POLICY"}, listening, 5, 6, 3, 7, 2)
	if len(listening) > 0 && len(connected) > 0 {
		s.printf("\n")
	}
	s.part([]string{"PROTO", "STATE", "LOCAL", "", "REMOTE", "NAME", "PROCESS", "USER", "UNIT", "IN", "OUT", "POLICY"}, connected, 8, 2, 6, 11, 5, 4)
	if len(v.Connections) == 0 {
		s.printf("none\n")
	}
}

// part writes one table, without the columns that have nothing to say. The columns in flexible give way in that order.
func (s *screen) part(titles []string, rows [][]cell, flexible ...int) {
	if len(rows) == 0 {
		return
	}
	head := make([]cell, len(titles))
	for i, title := range titles {
		head[i] = cell{text: title, style: faint, right: rows[0][i].right}
	}
	for i := len(titles) - 1; i >= 0; i-- {
		if slices.ContainsFunc(rows, func(row []cell) bool { return row[i].text != "" }) {
			continue
		}
		head = slices.Delete(head, i, i+1)
		for n := range rows {
			rows[n] = slices.Delete(rows[n], i, i+1)
		}
		flexible = slices.DeleteFunc(flexible, func(column int) bool { return column == i })
		for n := range flexible {
			if flexible[n] > i {
				flexible[n]--
			}
		}
	}
	s.table(append([][]cell{head}, rows...), flexible...)
}

func verdictWord(verdict string) string {
	switch verdict {
	case "allow":
		return "ALLOWED"
	case "block":
		return "BLOCKED"
	case "reject":
		return "REJECTED"
	}
	// A daemon newer than this program.
	return verdict
}

func arrow(direction string) string {
	switch direction {
	case "in":
		return "<-"
	case "out":
		return "->"
	}
	return ""
}

// endOf spells an end as ss does: a star hears IPv4 and IPv6, and a link-local address has its interface.
func endOf(a netip.Addr, port uint16, c api.Connection) string {
	host := a.String()
	switch {
	case a == netip.IPv6Unspecified() && !c.V6Only && c.Reach != nil:
		host = "*"
	case a.Is6():
		if a.IsLinkLocalUnicast() && c.Interface != "" {
			host = a.WithZone(c.Interface).String()
		}
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s:%d", host, port)
}

func process(c api.Connection) string {
	if c.PID == 0 {
		return ""
	}
	text := fmt.Sprintf("%s %d", filepath.Base(c.Exe), c.PID)
	if c.Exe == "" {
		text = fmt.Sprint(c.PID)
	}
	if n := len(c.PIDs) - 1; n > 0 {
		text += fmt.Sprintf(" +%d", n)
	}
	return text
}

func user(c api.Connection) string {
	switch {
	case c.User != "":
		return c.User
	case c.UID != 0:
		return fmt.Sprint(c.UID)
	}
	return ""
}

func known(bytes *uint64) string {
	if bytes == nil {
		return ""
	}
	return size(*bytes)
}

// reach says in words from where a socket can be reached.
func reach(r *api.Reach) string {
	switch r.From {
	case "loopback":
		return "from this machine"
	case "some":
		text := "from " + strings.Join(r.Remotes, ", ")
		if len(r.Except) > 0 {
			text += " but " + strings.Join(r.Except, ", ")
		}
		return text
	}
	return "from " + r.From
}
