package daemon

import (
	"fmt"
	"net/netip"
	"strings"

	"pfw/e2e/hosts"
)

// trap bans who sends more than over, such as "1/second", to port 9 of UDP, and has room for so many bans.
func trap(room int, over string) string {
	return fmt.Sprintf(`
[ban]
size = %d
[[rule]]
name      = "trap"
action    = "block"
direction = "in"
protocol  = "udp"
port      = 9
ban       = { over = %q, for = "2h" }
`, room, over)
}

// toTrap is a packet to port 9 of UDP by one of many remotes that nobody has ever heard of.
func toTrap(remote int, port uint16) []byte {
	p := hosts.Packet{Protocol: 17, SourcePort: port, DestinationPort: 9, Destination: netip.MustParseAddr("192.0.2.10"),
		Source: netip.AddrFrom4([4]byte{100, 64 + byte(remote>>16), byte(remote >> 8), byte(remote)})}
	return p.Bytes()
}

// isFull is the alert of a ban for which there is no room.
func isFull(e hosts.Entry) bool {
	return e.EventType == "alert" && strings.Contains(e.Line, `"signature":"no room for bans"`)
}
