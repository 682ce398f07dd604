package policy

import "strconv"

// Protocol is an IP protocol number, as IANA assigns them. Every value is valid.
type Protocol uint8

// The protocols that firewall.toml knows by name.
const (
	ICMP   Protocol = 1
	IGMP   Protocol = 2
	TCP    Protocol = 6
	UDP    Protocol = 17
	GRE    Protocol = 47
	ESP    Protocol = 50
	AH     Protocol = 51
	ICMPv6 Protocol = 58
	SCTP   Protocol = 132
)

// Protocols maps the words of firewall.toml to numbers.
var Protocols = map[string]Protocol{
	"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPv6, "sctp": SCTP,
	"gre": GRE, "esp": ESP, "ah": AH, "igmp": IGMP,
}

// String gives the word that firewall.toml uses, else the number.
func (p Protocol) String() string {
	for name, number := range Protocols {
		if number == p {
			return name
		}
	}
	return strconv.Itoa(int(p))
}

// HasPorts tells whether a rule on this protocol may name ports.
func (p Protocol) HasPorts() bool { return p == TCP || p == UDP || p == SCTP }

// In tells whether the protocol is spoken in the family: ICMP and IGMP belong to IPv4, ICMPv6 to IPv6.
func (p Protocol) In(f Family) bool {
	switch p {
	case ICMP, IGMP:
		return f == IPv4
	case ICMPv6:
		return f == IPv6
	}
	return true
}
