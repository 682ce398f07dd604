package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Bans says how remotes are banned: who never is, and how many can be.
type Bans struct {
	// Never holds who is never banned by what the file says; nil is nobody.
	Never *AddressSet
	// Size bounds the bans of each family, each of one remote.
	Size uint32
}

// BansAtMost is the size where a file says nothing.
const BansAtMost = 65536

// Behaviour is what a remote may be watched for. The zero value is invalid.
type Behaviour uint8

const (
	_ Behaviour = iota
	// PortScan is a remote that asks for many ports of this machine that it is refused.
	PortScan
	// SYNFlood is a remote that begins many TCP connections with this machine and completes none.
	SYNFlood
)

// Behaviours lists them all.
var Behaviours = []Behaviour{PortScan, SYNFlood}

// String gives the key of firewall.toml.
func (b Behaviour) String() string {
	switch b {
	case PortScan:
		return "port_scan"
	case SYNFlood:
		return "syn_flood"
	}
	panic(fmt.Sprintf("policy: behaviour %d", uint8(b)))
}

// Name is what people call it.
func (b Behaviour) Name() string {
	switch b {
	case PortScan:
		return "port scan"
	case SYNFlood:
		return "SYN flood"
	}
	panic(fmt.Sprintf("policy: behaviour %d", uint8(b)))
}

// Counted names what is counted of it.
func (b Behaviour) Counted() string {
	switch b {
	case PortScan:
		return "refused ports"
	case SYNFlood:
		return "half-open connections"
	}
	panic(fmt.Sprintf("policy: behaviour %d", uint8(b)))
}

// Detect says whose behaviour is watched. The zero value watches nothing.
type Detect struct{ PortScan, SYNFlood Detector }

// Of gives what is to be done about a behaviour.
func (d Detect) Of(b Behaviour) Detector {
	switch b {
	case PortScan:
		return d.PortScan
	case SYNFlood:
		return d.SYNFlood
	}
	panic(fmt.Sprintf("policy: behaviour %d", uint8(b)))
}

// On lists the behaviours that are watched.
func (d Detect) On() []Behaviour {
	return slices.DeleteFunc(slices.Clone(Behaviours), func(b Behaviour) bool { return !d.Of(b).On() })
}

// Detector watches how often remotes do something. The zero value does not.
type Detector struct {
	// Over is the rate that nobody is to exceed.
	Over Rate
	// Ban is for how long who does is banned; 0: only an alert tells of it.
	Ban time.Duration
}

// On tells whether the detector watches.
func (d Detector) On() bool { return !d.Over.Unlimited() }

// Guarding is the same policy with what it says of bans and of behaviour.
func (p *Policy) Guarding(b Bans, d Detect) *Policy {
	q := *p
	q.bans, q.detect = b, d
	q.spared = spared(b.Never)
	return &q
}

// Bans gives how remotes are banned.
func (p *Policy) Bans() Bans { return p.bans }

// Detect gives whose behaviour is watched.
func (p *Policy) Detect() Detect { return p.detect }

// Spared gives everybody who is never banned: what the file says, and nobody's addresses. IPv6 is banned by /64, so all of a
// /64 is in it where a part is. This machine's own addresses, which come and go, are not in it.
func (p *Policy) Spared() *AddressSet { return p.spared }

// NeverBans tells whether part of a network is never banned.
func (p *Policy) NeverBans(remote netip.Prefix) bool { return p.spared.Overlaps(RangeOf(remote)) }

// IsNobodys tells whether part of a network is no remote's, whatever a file says.
func IsNobodys(remote netip.Prefix) bool { return sparedByItself.Overlaps(RangeOf(remote)) }

// nobodys are addresses that are no remote's: of this host (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5), of many at once, and
// those of a link, whose one /64 routers share.
var nobodys = []string{"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/64", "fe80::/10", "ff00::/8"}

// sparedByItself is shared by all policies that say nothing more.
var sparedByItself = spared(nil)

func spared(never *AddressSet) *AddressSet {
	var b AddressBuilder
	add := func(err error) {
		if err != nil {
			panic(fmt.Sprintf("policy: %s", err)) // what a set gives is valid, and so are the literals
		}
	}
	for _, s := range nobodys {
		add(b.AddPrefix(netip.MustParsePrefix(s)))
	}
	if never != nil {
		for r := range never.Ranges(IPv4) {
			add(b.Add(r.First, r.Last))
		}
		for r := range never.Ranges(IPv6) {
			add(b.Add(netip.PrefixFrom(r.First, 64).Masked().Addr(), lastOf(netip.PrefixFrom(r.Last, 64))))
		}
	}
	return b.Set()
}

// Window names the time in which a detector counts: "minute".
func (d Detector) Window() string {
	_, unit, _ := strings.Cut(d.Over.String(), "/")
	return unit
}

// Text says what is too much: "port scan: over 20 refused ports a minute".
func (d Detector) Text(b Behaviour) string {
	return fmt.Sprintf("%s: over %d %s a %s", b.Name(), d.Over.Packets, b.Counted(), d.Window())
}

// Does says in one line what a detector does: "tell of over 20/minute refused ports per remote, and ban for 1h".
func (d Detector) Does(b Behaviour) string {
	text := fmt.Sprintf("tell of over %s %s per remote", d.Over, b.Counted())
	if d.Ban > 0 {
		text += ", and ban for " + durationText(d.Ban)
	}
	return text
}
