package audit

import (
	"fmt"
	"strconv"
)

// protoNames holds Suricata's spelling (util-proto-name.c) of the protocols that are met on today's networks.
var protoNames = map[uint8]string{
	0: "HOPOPT", 1: "ICMP", 2: "IGMP", 4: "IP-in-IP", 6: "TCP", 17: "UDP", 33: "DCCP", 41: "IPv6", 43: "IPv6-Route",
	44: "IPv6-Frag", 46: "RSVP", 47: "GRE", 50: "ESP", 51: "AH", 58: "IPv6-ICMP", 59: "IPv6-NoNxt", 60: "IPv6-Opts", 88: "EIGRP",
	89: "OSPF", 97: "ETHERIP", 103: "PIM", 108: "IPComp", 112: "VRRP", 115: "L2TP", 132: "SCTP", 136: "UDPLite", 137: "MPLS-in-IP",
}

// ProtoName is EVE's name of an IP protocol, or its number as text.
func ProtoName(number uint8) string {
	if name, ok := protoNames[number]; ok {
		return name
	}
	return strconv.Itoa(int(number))
}

// ProtoNumber reads what ProtoName gives.
func ProtoNumber(name string) (number uint8, ok bool) {
	for number, known := range protoNames {
		if known == name {
			return number, true
		}
	}
	n, err := strconv.ParseUint(name, 10, 8)
	return uint8(n), err == nil
}

// TCPFlags is the flags byte of a TCP header (RFC 9293, section 3.1).
type TCPFlags uint8

// tcpFlagLetters has the letter of each bit, FIN first.
const tcpFlagLetters = "FSRPAUEC"

// String has one letter for each flag that is set, "S" for an opening and "SA" for its answer.
func (f TCPFlags) String() string { return string(f.append(nil)) }

func (f TCPFlags) append(b []byte) []byte {
	for bit := range len(tcpFlagLetters) {
		if f&(1<<bit) != 0 {
			b = append(b, tcpFlagLetters[bit])
		}
	}
	return b
}

func parseTCPFlags(s string) (TCPFlags, error) {
	var f TCPFlags
	for _, letter := range s {
		bit := -1
		for i, l := range tcpFlagLetters {
			if l == letter {
				bit = i
			}
		}
		if bit < 0 {
			return 0, fmt.Errorf("tcp flag %q is none of %s", letter, tcpFlagLetters)
		}
		f |= 1 << bit
	}
	return f, nil
}
