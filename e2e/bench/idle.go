package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// idle compares what is resident when nothing happens, and how long a start takes.
func (b *bench) idle() error {
	t := &table{title: "Idle and start"}
	t.row("", "resident when idle", "start to in force (CPU time)")
	plans := []*plan{{rules: rulesOf(1_000)}, listedPlan(b.lists[len(b.lists)-1], blocklist, 0)}
	if err := b.rest(t, b.shipped(), &plan{}, "firewall.toml as shipped"); err != nil {
		return err
	}
	for _, x := range plans {
		for _, p := range []peer{b.firewalld, b.pfw} {
			if !b.fit(t, p, x) {
				continue
			}
			if err := b.rest(t, p, x, x.String()); err != nil {
				return err
			}
		}
	}
	if b.here(t, peer{name: "ulogd2", needs: ulogdNeeds}) {
		if err := b.restOfLogger(t, "ulogd2", startUlogd); err != nil {
			return err
		}
	}
	t.note("Nothing has to run for nft, iptables, ipset and ufw.")
	t.print(b.out)
	return nil
}

// shipped is pfw with the rule file that the package installs.
func (b *bench) shipped() peer {
	return peer{name: b.pfw.name, floor: true, enforce: func(s *stage, _ *plan) (enforced, cost, error) {
		text, err := os.ReadFile("firewall.toml")
		if err != nil {
			return nil, cost{}, err
		}
		return startPfw(b.bin, s, string(text), &plan{})
	}}
}

// settle is how long a program gets to put its memory in order.
const settle = 5 * time.Second

func (b *bench) rest(t *table, p peer, x *plan, what string) (err error) {
	var took []cost
	var resident int64
	times := min(b.n, 5)
	if len(x.list) > 0 {
		times = 1
	}
	for i := range times {
		c, err := contend(p, x)
		if err != nil {
			b.failed(t, err)
			return nil
		}
		took = append(took, c.load)
		if i == times-1 {
			time.Sleep(settle)
			resident, err = memory(c.pid(), "VmRSS")
		}
		if err = errors.Join(err, c.close()); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	t.row(p.name+", "+what, mebibytes(resident), middle(took).took())
	return nil
}

func (b *bench) restOfLogger(t *table, name string, start func(*stage) (logger, error)) (err error) {
	s, err := newStage()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	l, err := start(s)
	if err != nil {
		b.failed(t, fmt.Errorf("%s: %w", name, err))
		return nil
	}
	resident, err := memory(l.pid(), "VmRSS")
	t.row(name+", which only logs", mebibytes(resident), nothing)
	return errors.Join(err, l.close())
}
