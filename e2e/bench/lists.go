package main

import (
	"errors"
	"fmt"
	"time"
)

// listedRules is how many rules stand behind the list.
const listedRules = 10

// changedEntries is how many entries of a list go, and how many others come, when it is renewed.
const changedEntries = 100

// listed compares what packets cost where a big list is in force.
func (b *bench) listed() error {
	for _, n := range b.lists {
		if err := b.list(listedPlan(n, blocklist, 0), b.keepers()); err != nil {
			return err
		}
	}
	return nil
}

// keepers are the peers that can keep a list.
func (b *bench) keepers() []peer {
	return []peer{nftByHand, withIpset(iptablesNFT), withIpset(iptablesLegacy), b.firewalld, b.pfw}
}

func (b *bench) list(x *plan, peers []peer) (err error) {
	t := &table{title: fmt.Sprintf("Packets, %s", x)}
	without := &plan{rules: x.rules}
	var all []*contender
	defer func() { err = errors.Join(err, closeAll(all)) }()
	// What a list costs is seen beside the same rules without it.
	all, err = b.gather(t, without, noRules, bareDrop, nftByHand, b.pfw)
	if err != nil {
		return err
	}
	for _, c := range all {
		if !c.floor {
			c.name += ", no list"
		}
	}
	with, err := b.gather(t, x, peers...)
	all = append(all, with...)
	if err != nil {
		return err
	}
	return b.compare(t, all, x, blocked, allowed, established, listed, fewListed)
}

// deltas compares what it takes to load a big list and to change it, and what memory that leaves.
func (b *bench) deltas() error {
	for _, n := range b.lists {
		for _, of := range []mix{blocklist, singles} {
			if err := b.delta(n, of, b.keepers()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) delta(n int, of mix, peers []peer) (err error) {
	x := listedPlan(n, of, 0)
	t := &table{title: fmt.Sprintf("Load and change, %s", x)}
	t.row("time (CPU time)", "load", "peak memory", "again, unchanged", fmt.Sprintf("%d of them others", changedEntries), "all of them others", "peak memory", "resident after")
	// One at a time, as memory is looked at.
	for _, p := range peers {
		all, err := b.gather(t, x, p)
		if err != nil {
			return err
		}
		for _, c := range all {
			cells, err := b.turns(t, c, x, of)
			if err != nil {
				b.failed(t, fmt.Errorf("%s: %w", c.name, err))
				continue
			}
			t.row(append([]string{c.name, c.load.took(), mebibytes(c.load.peak)}, cells...)...)
		}
		if err := closeAll(all); err != nil {
			return err
		}
	}
	t.print(b.out)
	return nil
}

// turns puts a list in force again and again: the same, one that differs in a few entries, another one altogether.
func (b *bench) turns(t *table, c *contender, x *plan, of mix) (cells []string, err error) {
	var same, few, all []cost
	slow := c.slow != nil && c.slow(x) && !b.patient
	if slow {
		t.note("%s: change of a few left out, as it takes minutes.", c.name)
	}
	for turn := range min(b.n, 3) {
		again, err := c.replace(x)
		if err != nil {
			return nil, fmt.Errorf("load again: %w", err)
		}
		same = append(same, again)
		if !slow {
			next, added, removed := x.changed(changedEntries, turn)
			change, err := c.change(next, texts(added), texts(removed))
			if err != nil {
				return nil, fmt.Errorf("change: %w", err)
			}
			few = append(few, change)
		}
		x = listedPlan(len(x.list), of, 1+turn)
		other, err := c.replace(x)
		if err != nil {
			return nil, fmt.Errorf("load another list: %w", err)
		}
		all = append(all, other)
	}
	var resident int64
	if c.pid() != 0 {
		time.Sleep(settle)
		if resident, err = memory(c.pid(), "VmRSS"); err != nil {
			return nil, err
		}
	}
	change := nothing
	if len(few) > 0 {
		change = middle(few).took()
	}
	return []string{middle(same).took(), change, middle(all).took(), mebibytes(max(middle(same).peak, middle(all).peak)), mebibytes(resident)}, nil
}

// loads compares what it takes to put rules in force where nothing is, and in the place of the same.
func (b *bench) loads() error {
	for _, n := range b.sizes {
		x := &plan{rules: rulesOf(n)}
		t := &table{title: fmt.Sprintf("Load, %s", x)}
		t.row("time (CPU time)", "load", "peak memory", "again, unchanged")
		for _, p := range []peer{nftByHand, iptablesNFT, iptablesLegacy, ufw, b.firewalld, b.pfw} {
			if !b.fit(t, p, x) {
				continue
			}
			var first, again []cost
			for range min(b.n, 3) {
				c, err := contend(p, x)
				if err != nil {
					b.failed(t, err)
					break
				}
				second, err := c.replace(x)
				if err = errors.Join(err, c.close()); err != nil {
					b.failed(t, fmt.Errorf("%s: load again: %w", p.name, err))
					break
				}
				first, again = append(first, c.load), append(again, second)
			}
			if len(again) > 0 {
				t.row(p.name, middle(first).took(), mebibytes(middle(first).peak), middle(again).took())
			}
		}
		t.print(b.out)
	}
	return nil
}

// middle is the median of each.
func middle(all []cost) cost {
	var walls, cpus []time.Duration
	var peaks []int64
	for _, c := range all {
		walls, cpus, peaks = append(walls, c.wall), append(cpus, c.cpu), append(peaks, c.peak)
	}
	return cost{median(walls), median(cpus), median(peaks)}
}
