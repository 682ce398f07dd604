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

// listed compares what packets cost where a big list is in force, what it takes to load it and to change it.
func (b *bench) listed() error {
	peers := []peer{nftByHand, withIpset(iptablesNFT), withIpset(iptablesLegacy), b.firewalld, b.pfw}
	for _, n := range b.lists {
		x := &plan{rules: rulesOf(listedRules), list: listOf(n), listed: true}
		if err := b.list(x, peers); err != nil {
			return err
		}
	}
	return nil
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
	for _, c := range all[2:] {
		c.name += ", no list"
	}
	with, err := b.gather(t, x, peers...)
	all = append(all, with...)
	if err != nil {
		return err
	}
	if err := b.compare(t, all, x, blocked, allowed, listed); err != nil {
		return err
	}

	t = &table{title: fmt.Sprintf("Load and change, %s", x)}
	t.row("time (CPU time)", "load", "peak memory", "again, unchanged", fmt.Sprintf("%d of them others", changedEntries), "peak memory")
	for _, c := range with {
		again, err := c.replace(x)
		if err != nil {
			b.failed(t, fmt.Errorf("%s: load again: %w", c.name, err))
			continue
		}
		cells := []string{c.name, c.load.took(), mebibytes(c.load.peak), again.took()}
		next, added, removed := x.changed(changedEntries, 1)
		if c.slow != nil && c.slow(x) && !b.patient {
			t.row(append(cells, nothing, nothing)...)
			t.note("%s: change left out, as it takes minutes.", c.name)
			continue
		}
		change, err := c.change(next, texts(added), texts(removed))
		if err != nil {
			b.failed(t, fmt.Errorf("%s: change: %w", c.name, err))
			continue
		}
		t.row(append(cells, change.took(), mebibytes(change.peak))...)
	}
	t.print(b.out)
	return nil
}

// loads compares what it takes to put rules in force where nothing is, and in the place of the same.
func (b *bench) loads() error {
	for _, n := range b.sizes {
		x := &plan{rules: rulesOf(n)}
		t := &table{title: fmt.Sprintf("Load, %s", x)}
		t.row("time (CPU time)", "load", "peak memory", "again, unchanged")
		for _, p := range []peer{nftByHand, iptablesNFT, iptablesLegacy, ufw, b.firewalld, b.pfw} {
			if p.missing() != "" || !p.fits(x) {
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
