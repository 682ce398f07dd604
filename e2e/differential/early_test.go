package differential

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"pfw/enforce"
)

// ban has nobody banned, or another one or two than before.
func (n *network) ban(r *rand.Rand) {
	n.t.Helper()
	for _, p := range n.banned {
		_, err := n.daemon.Pfw("unban", p.Addr().String())
		n.must(err)
	}
	n.banned = nil
	if !one(r, 2) {
		return
	}
	for _, a := range some(r, remoteAddresses) {
		if n.isBanned(a) {
			continue
		}
		_, err := n.daemon.Pfw("ban", a.String())
		n.must(err)
		n.banned = append(n.banned, enforce.Remote(a))
	}
}

func (n *network) isBanned(a netip.Addr) bool {
	for _, p := range n.banned {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Where nothing is passed on, what is dropped before conntrack is what would be dropped behind it.
func TestThreeReadingsBeforeConntrack(t *testing.T) {
	n := newNetwork(t, "")
	n.must(errors.Join(n.local.Sysctl("net/ipv4/ip_forward", "0"), n.local.Sysctl("net/ipv6/conf/all/forwarding", "0")))
	n.must(n.daemon.Edit("[[rule]]\nname = \"bad\"\naction = \"block\"\ndirection = \"both\"\nremote = \"203.0.113.5\"\n"))
	n.must(n.daemon.Reload())
	if script, err := n.daemon.Pfw("show", "--nft"); err != nil || !strings.Contains(script, "hook prerouting priority raw") {
		t.Fatalf("%v: nothing is dropped before conntrack:\n%s", err, script)
	}
	threeReadings(t, n, true)
}
