package main

import (
	"errors"
	"fmt"
	"time"
)

// idle compares what is resident when nothing happens, and how long a start takes.
func (b *bench) idle() error {
	t := &table{title: "Idle and start"}
	t.row("", "resident when idle", "start to in force")
	for _, x := range []*plan{{rules: rulesOf(10)}, {rules: rulesOf(1_000)}, {rules: rulesOf(10), list: listOf(b.lists[len(b.lists)-1]), listed: true}} {
		for _, p := range []peer{b.firewalld, b.pfw} {
			if p.missing() != "" || !p.fits(x) {
				continue
			}
			if err := b.rest(t, p, x); err != nil {
				return err
			}
		}
	}
	if (peer{needs: ulogdNeeds}).missing() == "" {
		if err := b.restOfLogger(t, "ulogd2", startUlogd); err != nil {
			return err
		}
	}
	t.note("Nothing has to run for nft, iptables, ipset and ufw.")
	t.print(b.out)
	return nil
}

// settle is how long a program gets to put its memory in order.
const settle = 5 * time.Second

func (b *bench) rest(t *table, p peer, x *plan) (err error) {
	var took []time.Duration
	var resident int64
	times := min(b.n, 5)
	if len(x.list) > 0 || p.name != b.pfw.name {
		times = 1
	}
	for i := range times {
		c, err := contend(p, x)
		if err != nil {
			b.failed(t, err)
			return nil
		}
		took = append(took, c.load.wall)
		if i == times-1 {
			time.Sleep(settle)
			resident, err = memory(c.pid(), "VmRSS")
		}
		if err = errors.Join(err, c.close()); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	t.row(fmt.Sprintf("%s, %s", p.name, x), mebibytes(resident), seconds(median(took)))
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
