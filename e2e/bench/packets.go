package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// packetsARound is how many packets of new connections are let through before conntrack is emptied: at most, and never more
// than half of what its table has room for.
const packetsARound = 100_000

func roomForConnections() (int, error) {
	text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_max")
	if errors.Is(err, os.ErrNotExist) { // nobody tracks connections yet
		return packetsARound, nil
	}
	if err != nil {
		return 0, err
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return min(packetsARound, most/2), err
}

// contender is a peer in force on a stage of its own, and what was measured of it.
type contender struct {
	peer
	stage *stage
	enforced
	load  cost
	rates map[string][]float64 // packets per CPU second, a round each, by what was sent
}

// close ends it; the zero contender has nothing to end.
func (c *contender) close() error {
	var errs []error
	if c.enforced != nil {
		errs = append(errs, c.enforced.close())
	}
	if c.stage != nil {
		errs = append(errs, c.stage.close())
	}
	return errors.Join(errs...)
}

// contend puts a plan in force for a peer, on new hosts, and tries that it works.
func contend(p peer, x *plan) (c *contender, err error) {
	c = &contender{peer: p, rates: map[string][]float64{}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s with %s: %w", p.name, x, errors.Join(err, c.close()))
		}
	}()
	if c.stage, err = newStage(); err != nil {
		return c, err
	}
	if c.enforced, c.load, err = p.enforce(c.stage, x); err != nil {
		return c, err
	}
	if !p.floor {
		if err := c.stage.check(x, p.name); err != nil {
			return c, err
		}
	}
	return c, c.stage.deaf()
}

// kind is a kind of packets to measure.
type kind struct {
	name    string
	port    uint16
	listed  bool    // from addresses on the list
	few     bool    // from so few of them that the caches hold all that is asked
	keep    bool    // of connections that are there already
	passing bool    // conntrack remembers each of them
	unit    string  // how a rate is shown; "" is a packet's
	of      float64 // in how many of them; 0 is a packet's
}

var (
	blocked     = kind{name: "new, blocked", port: closedPort}
	allowed     = kind{name: "new, allowed", port: servicePort, passing: true}
	established = kind{name: "established", port: servicePort, keep: true}
	listed      = kind{name: "listed", port: servicePort, listed: true}
	fewListed   = kind{name: "64 listed", port: servicePort, listed: true, few: true}
)

// round measures one kind of packet once, for so much CPU time at most.
func (c *contender) round(k kind, sources []uint32, limit time.Duration) error {
	if err := c.stage.wall.ForgetConnections(); err != nil {
		return err
	}
	st, packets := stream{sources: sources, to: netip.AddrPortFrom(wallAddress, k.port)}, 1<<30
	if k.keep {
		var err error
		if st, err = c.stage.flows(); err != nil {
			return err
		}
	}
	if k.passing {
		var err error
		if packets, err = roomForConnections(); err != nil {
			return fmt.Errorf("conntrack: %w", err)
		}
	}
	b, err := c.stage.sender.send(st, limit, packets)
	if err != nil {
		return err
	}
	c.rates[k.name] = append(c.rates[k.name], b.perSecond())
	return nil
}

// rounds measures all contenders one after another, again and again, so that what slows the machine down for a while slows
// all of them down.
func (b *bench) rounds(all []*contender, x *plan, kinds ...kind) error {
	for _, k := range kinds {
		sources := x.sources(k.listed)
		if k.few {
			sources = sources[:64]
		}
		for range b.n {
			for _, c := range all {
				if err := c.round(k, sources, b.time); err != nil {
					return fmt.Errorf("%s: %s: %w", c.name, k.name, err)
				}
			}
		}
	}
	return nil
}

// against is the median of the ratios of each round to the same round of another.
func (c *contender) against(base *contender, k kind) (middle, noise float64) {
	var ratios []float64
	for i, rate := range c.rates[k.name] {
		ratios = append(ratios, rate/base.rates[k.name][i])
	}
	return median(ratios), spread(ratios)
}

// beside is what a cell says of a kind: the ratio to another, or the other's own rate.
func (c *contender) beside(base *contender, k kind) (text string, noise float64) {
	if c == base {
		return fmt.Sprintf(cmp.Or(k.unit, "%.0fk/s"), median(c.rates[k.name])/cmp.Or(k.of, 1e3)), spread(c.rates[k.name])
	}
	middle, noise := c.against(base, k)
	return ratio(middle), noise
}

// packets compares what packets cost with so many rules.
func (b *bench) packets() error {
	for _, n := range b.sizes {
		x := &plan{rules: rulesOf(n)}
		t := &table{title: fmt.Sprintf("Packets, %s rules", count(n))}
		all, err := b.gather(t, x, noRules, conntrackOnly, nftByHand, iptablesNFT, iptablesLegacy, ufw, b.firewalld, b.pfw)
		if err == nil {
			err = b.compare(t, all, x, blocked, allowed, established)
		}
		if err = errors.Join(err, closeAll(all)); err != nil {
			return err
		}
	}
	return nil
}

// here tells whether a peer can be had on this machine, and says beneath the first table that lacks it why not.
func (b *bench) here(t *table, p peer) bool {
	why := p.missing()
	if why != "" && !slices.Contains(b.absent, p.name) {
		b.absent = append(b.absent, p.name)
		t.note("%s: left out, here and below, as %s.", p.name, why)
	}
	return why == ""
}

// fit tells whether a peer can be had for a plan, and says beneath the table why not.
func (b *bench) fit(t *table, p peer, x *plan) bool {
	if !b.here(t, p) {
		return false
	}
	if !p.fits(x) {
		t.note("%s: left out, as it takes minutes to load this.", p.name)
		return false
	}
	return true
}

// gather puts a plan in force for each peer that can be had.
func (b *bench) gather(t *table, x *plan, peers ...peer) (all []*contender, err error) {
	for _, p := range peers {
		if !b.fit(t, p, x) {
			continue
		}
		c, err := contend(p, x)
		if err != nil {
			b.failed(t, err)
			continue
		}
		all = append(all, c)
	}
	return all, nil
}

func closeAll(all []*contender) error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// compare floods each contender, the first of which is what the others are held against, and prints what each kind of packet
// costs.
func (b *bench) compare(t *table, all []*contender, x *plan, kinds ...kind) error {
	head := []string{"packets a CPU second, of " + all[0].name}
	for _, k := range kinds {
		head = append(head, k.name)
	}
	t.row(append(head, "noise")...)
	if err := b.rounds(all, x, kinds...); err != nil {
		return err
	}
	for _, c := range all {
		cells, worst := []string{c.name}, 0.0
		for _, k := range kinds {
			text, noise := c.beside(all[0], k)
			cells, worst = append(cells, text), max(worst, noise)
		}
		t.row(append(cells, fmt.Sprintf("±%.0f %%", 100*worst))...)
	}
	t.print(b.out)
	return nil
}
