package differential

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
)

// What rules name and packets carry is drawn from few values, so that they meet.

func addresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, t := range texts {
		all = append(all, netip.MustParseAddr(t))
	}
	return all
}

var (
	// Strangers', by wan0 and wan1, and those of hosts behind lan0.
	remoteAddresses = addresses(
		"203.0.113.5", "203.0.113.6", "203.0.113.77", "203.0.113.130", "203.0.113.200", "100.100.0.1", "192.168.7.9",
		"2001:db8:a::5", "2001:db8:a::6", "2001:db8:a:1::5", "2001:db8:b::5", "2001:db8:b:ffff::1", "fd00:77::9",
		"10.20.0.5", "10.20.0.6", "10.20.3.9", "fd00:20::5", "fd00:20:0:1::5")
	// What local has beside the addresses of its interfaces.
	localAddresses = addresses("192.0.2.11", "192.0.2.200", "172.16.5.5", "2001:db8::11", "2001:db8:0:9::1", "fd00::99")
	groups         = addresses("224.0.0.1", "192.0.2.255", "255.255.255.255", "ff02::1")

	remoteTexts = []string{
		"203.0.113.5", "203.0.113.6", "203.0.113.77", "203.0.113.130", "203.0.113.200", "192.168.7.9",
		"2001:db8:a::5", "2001:db8:a:1::5", "2001:db8:b::5", "fd00:20::5", "10.20.0.5",
		"203.0.113.0/24", "203.0.113.0/25", "203.0.113.128/25", "203.0.113.4/30", "10.20.0.0/16", "10.20.0.0/22", "0.0.0.0/0", "192.0.0.0/3",
		"2001:db8:a::/48", "2001:db8:a::/64", "2001:db8:b::/48", "fd00::/8", "::/0", "2001:db8::/32",
		"203.0.113.5-203.0.113.77", "203.0.113.6-203.0.113.130", "10.20.0.6-10.20.3.9", "2001:db8:a::6-2001:db8:b::5",
		"@lan", "@near", "@big", "@mixed", "domain:near.example", "domain:far.example", "domain:*.below.example", "domain:nowhere.example",
	}
	localTexts = []string{
		"192.0.2.10", "192.0.2.11", "192.0.2.200", "172.16.5.5", "2001:db8::10", "2001:db8::11", "fd00::99",
		"192.0.2.0/24", "192.0.2.0/26", "172.16.0.0/12", "2001:db8::/64", "2001:db8:0:9::/64", "10.0.0.1", "224.0.0.0/4", "ff00::/8",
		"192.0.2.10-192.0.2.11", "192.0.2.11-192.0.2.255", "2001:db8::10-2001:db8::11", "@lan", "@mine", "domain:host.here.example",
	}

	ports     = []uint16{22, 53, 67, 68, 80, 123, 443, 546, 547, 5353, 8000, 8050, 8100, 8101, 38412, 1, 65535}
	portTexts = []string{"22", "53", "80", "443", "5353", "8050", `"8000-8100"`, `"8050-8101"`, `"1-1023"`, `"1024-65535"`, `"22-80"`,
		`"1-65535"`, "65535", "1", `"68"`, "547"}
	// Names of services are those of TCP.
	tcpTexts = append([]string{`"ssh"`, `"domain"`, `"http"`, `"https"`}, portTexts...)

	// Of long files: little each.
	narrowTexts = []string{
		"203.0.113.5", "203.0.113.6", "203.0.113.77", "203.0.113.130", "203.0.113.200", "192.168.7.9", "10.20.0.5", "10.20.0.6", "10.20.3.9",
		"203.0.113.4/31", "203.0.113.76/30", "203.0.113.77-203.0.113.130", "10.20.0.6-10.20.3.9", "203.0.113.128/26",
		"2001:db8:a::5", "2001:db8:a::6", "2001:db8:a:1::5", "2001:db8:b::5", "fd00:20::5", "2001:db8:b::/64", "2001:db8:a::4/126", "fd00:77::9",
		"198.18.0.1", "198.18.0.2", "198.18.0.0/24", "2001:db8:c::/64", "@near",
		"domain:near.example", "domain:far.example", "domain:*.below.example",
	}
	narrowLocalTexts = []string{"192.0.2.10", "192.0.2.11", "192.0.2.200", "172.16.5.5", "2001:db8::10", "2001:db8::11", "192.0.2.10-192.0.2.11", "@mine"}
	narrowPortTexts  = []string{"22", "53", "80", "123", "443", "5353", "8000", "8050", "8100", "8101", "38412", "1", "65535", "9000", "9001", `"8040-8060"`, `"79-81"`, `"8100-8102"`, `"65534-65535"`}

	interfaces     = []string{"wan0", "wan1", "lan0"}
	interfaceTexts = []string{"wan0", "wan1", "lan0", "wan*", "lan*", "w*", "wan00", "ppp0"}

	// Users and groups that every Debian has, by number.
	ids        = []uint32{0, 1, 2, 65534}
	userTexts  = []string{`"root"`, `"daemon"`, `"bin"`, `"nobody"`, "0", "1", "2", "65534", "4242"}
	groupTexts = []string{`"root"`, `"daemon"`, `"bin"`, `"nogroup"`, "0", "1", "2", "65534", "4242"}
)

var protocolNames = map[uint8]string{1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 51: "AH", 58: "IPv6-ICMP", 132: "SCTP"}

// protocolName is how the audit log spells a protocol.
func protocolName(p uint8) string {
	if name, ok := protocolNames[p]; ok {
		return name
	}
	return strconv.Itoa(int(p))
}

// toMany tells whether an address is that of many hosts, which a reject never
// answers.
func toMany(a netip.Addr) bool { return a.IsMulticast() || slices.Contains(groups, a) }

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// one in n.
func one(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// some picks one to three different values.
func some[T comparable](r *rand.Rand, list []T) []T {
	var out []T
	for range 1 + min(r.IntN(3), r.IntN(3)) {
		if v := pick(r, list); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
