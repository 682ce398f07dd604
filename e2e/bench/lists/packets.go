package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pfw/e2e/hosts"
)

// target is a host that packets are sent to.
type target struct {
	name string
	host *hosts.Host
	send *sender
	// took is the processor's time a packet, of strangers and of who is listed, in nanoseconds.
	took map[string][]float64
}

const (
	strangers = "on no list"
	onList    = "listed"
)

// packets measures what each packet of a new connection costs, the sender's share included, which makes differences look
// smaller. All targets are measured in turns.
func packets(pfwd, pfw string, entries, rounds int) (err error) {
	l := newList(mixed, entries)
	from, err := hosts.Create("from")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	var targets []*target
	defer func() {
		for _, t := range targets {
			err = errors.Join(err, t.host.Close())
		}
	}()
	add := func(name string, prepare func(*hosts.Host) error) error {
		h, err := hosts.Create(fmt.Sprintf("to%d", len(targets)))
		if err != nil {
			return err
		}
		t := &target{name: name, host: h, took: map[string][]float64{}}
		targets = append(targets, t)
		cable := fmt.Sprintf("eth%d", len(targets))
		if err := hosts.Join(hosts.End{Host: from, Interface: cable}, hosts.End{Host: h, Interface: "eth0", Addresses: hosts.Addresses("192.0.2.1/24")}); err != nil {
			return err
		}
		if err := prepare(h); err != nil {
			return err
		}
		t.send, err = newSender(from, cable, h)
		return err
	}
	runs := func(config string) func(*hosts.Host) error {
		return func(h *hosts.Host) error {
			d, err := hosts.NewDaemon(h, pfwd, pfw, config)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.Close()) }()
			if err := l.write(filepath.Dir(d.Config)); err != nil {
				return err
			}
			if err := d.Start(); err != nil {
				return err
			}
			// The table outlives a process that is killed, and needs none.
			return d.Kill()
		}
	}
	const chain = "chain i { type filter hook input priority 0; policy drop; ct state established accept; ct state invalid drop; %s }"
	for _, x := range []struct {
		name    string
		prepare func(*hosts.Host) error
	}{
		{"a bare drop at the earliest hook", byHand("table netdev t { chain i { type filter hook ingress device eth0 priority 0; policy drop; }; }")},
		{"pfw, the list not in the file", runs(policy(false, 10))},
		{"pfw, the list in the file", runs(policy(true, 10))},
		{"nft, a set of ranges", byHand("table inet t { set s { type ipv4_addr; flags interval; elements = { " + l.text() + " }; }\n" + fmt.Sprintf(chain, "ip saddr @s drop;") + "; }")},
		{"nft, no set", byHand("table inet t { " + fmt.Sprintf(chain, "") + "; }")},
	} {
		if err := add(x.name, x.prepare); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
	}
	sources := map[string][]netip.Addr{}
	for range 16384 {
		sources[strangers] = append(sources[strangers], l.stranger())
		sources[onList] = append(sources[onList], l.sample())
	}
	for range rounds {
		for _, t := range targets {
			for _, who := range []string{strangers, onList} {
				ns, err := t.send.cost(sources[who], 150_000)
				if err != nil {
					return err
				}
				t.took[who] = append(t.took[who], ns)
			}
		}
	}
	middle := func(t *target, who string) float64 {
		all := slices.Clone(t.took[who])
		slices.Sort(all)
		return all[len(all)/2]
	}
	for _, t := range targets {
		fmt.Printf("  %-34s", t.name)
		for _, who := range []string{strangers, onList} {
			fmt.Printf("  %s %4.0f ns", who, middle(t, who))
		}
		fmt.Printf("  (%.2f of the policy without, listed %.2f of the bare drop)\n",
			middle(targets[1], strangers)/middle(t, strangers), middle(targets[0], onList)/middle(t, onList))
	}
	return nil
}

// byHand loads a script.
func byHand(script string) func(*hosts.Host) error {
	return func(h *hosts.Host) error {
		c := h.Command("nft", "-f", "-")
		c.Stdin = strings.NewReader(script)
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, out[:min(len(out), 200)])
		}
		time.Sleep(100 * time.Millisecond)
		return nil
	}
}

func (l *list) text() string {
	var b strings.Builder
	for i, p := range l.disjoint() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// disjoint leaves out what a shorter prefix holds: nft takes no overlaps.
func (l *list) disjoint() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range slices.SortedFunc(slices.Values(l.entries), netip.Prefix.Compare) {
		if n := len(out); n == 0 || !out[n-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}
