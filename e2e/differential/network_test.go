package differential

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) {
	flag.Parse()
	hosts.Main(m)
}

// The host under test has three interfaces: wan0 and wan1 to strangers, lan0 to
// hosts behind it, for which it routes. Neither stranger nor behind has an address
// of its own: they are whoever a test says they are, and never answer.
//
//	stranger eth0 ── wan0 ┐
//	stranger eth1 ── wan1 ┼ local ── lan0 ── eth0 behind
type network struct {
	t                       testing.TB
	local, stranger, behind *hosts.Host
	inject                  map[string]*hosts.Injector // by the interface of local that the packet enters by
	index                   map[string]int             // of local's interfaces
	wide                    bool                       // all users of the machine exist, not root alone
	seen                    *seen
	daemon                  *hosts.Daemon
	banned                  []netip.Prefix
}

// routes say by which interface local reaches whom; the rest leaves by wan0. What
// local itself sends may carry the mark of an interface, to leave by that one.
var routes = []struct {
	iface  string
	prefix netip.Prefix
}{
	{"wan1", netip.MustParsePrefix("203.0.113.128/25")},
	{"wan1", netip.MustParsePrefix("2001:db8:b::/48")},
	{"lan0", netip.MustParsePrefix("10.20.0.0/16")},
	{"lan0", netip.MustParsePrefix("fd00:20::/32")},
}

// leavesBy is the interface by which local sends to an address.
func leavesBy(a netip.Addr) string {
	for _, r := range routes {
		if r.prefix.Contains(a) {
			return r.iface
		}
	}
	return "wan0"
}

// marks of packets that leave by an interface, whoever they are for. (A socket
// that is bound to an interface would have the answer to a refusal leave by it
// too.)
var marks = map[string]uint32{"wan0": 1, "wan1": 2, "lan0": 3}

// ways are local's interfaces with the neighbours that routes go by.
var ways = []struct{ iface, subnet4, subnet6, via4, via6 string }{
	{"wan0", "192.0.2.10/24", "2001:db8::10/64", "192.0.2.1", "2001:db8::1"},
	{"wan1", "198.51.100.10/24", "2001:db8:1::10/64", "198.51.100.1", "2001:db8:1::1"},
	{"lan0", "10.0.0.1/24", "fd00::1/64", "10.0.0.2", "fd00::2"},
}

// newNetwork lays the network and starts pfwd on local with a policy.
func newNetwork(t testing.TB, config string) *network {
	t.Helper()
	n := &network{t: t, local: hosts.New(t, "local"), stranger: hosts.New(t, "stranger"), behind: hosts.New(t, "behind"),
		inject: map[string]*hosts.Injector{}, index: map[string]int{}}
	n.must(n.lay())
	n.seen = watch(n)
	n.daemon = hosts.Prepare(t, n.local, config)
	n.must(n.know())
	n.must(n.daemon.Start())
	return n
}

func (n *network) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *network) lay() error {
	peers := map[string]hosts.End{
		"wan0": {Host: n.stranger, Interface: "eth0"},
		"wan1": {Host: n.stranger, Interface: "eth1"},
		"lan0": {Host: n.behind, Interface: "eth0"},
	}
	errs := []error{n.local.Forward()}
	for _, w := range ways {
		peer := peers[w.iface]
		if err := hosts.Join(hosts.End{Host: n.local, Interface: w.iface, Addresses: hosts.Addresses(w.subnet4, w.subnet6)}, peer); err != nil {
			return err
		}
		here, err := n.local.Hardware(w.iface)
		errs = append(errs, err)
		there, err := peer.Host.Hardware(peer.Interface)
		errs = append(errs, err)
		for _, via := range []string{w.via4, w.via6} {
			gateway := netip.MustParseAddr(via)
			errs = append(errs, n.local.AddNeighbour(w.iface, gateway, there), n.local.AddMarkedRoute(marks[w.iface], w.iface, gateway))
			if w.iface == "wan0" {
				errs = append(errs, n.local.AddRoute(netip.PrefixFrom(gateway, 0), gateway))
			}
			for _, r := range routes {
				if r.iface == w.iface && r.prefix.Addr().Is4() == gateway.Is4() {
					errs = append(errs, n.local.AddRoute(r.prefix, gateway))
				}
			}
		}
		n.inject[w.iface], err = peer.Host.NewInjector(peer.Interface, here)
		errs = append(errs, err)
		n.index[w.iface], err = n.local.Index(w.iface)
		errs = append(errs, err, n.local.Sysctl("net/ipv4/conf/"+w.iface+"/rp_filter", "0"),
			n.local.Sysctl("net/ipv4/conf/"+w.iface+"/send_redirects", "0"))
	}
	for _, a := range localAddresses {
		errs = append(errs, n.local.AddLocal(netip.PrefixFrom(a, a.BitLen())))
	}
	for _, s := range [][2]string{
		{"net/ipv4/conf/all/rp_filter", "0"},
		{"net/ipv4/conf/all/send_redirects", "0"},
		// Every answer comes, however many are asked for.
		{"net/ipv4/icmp_ratelimit", "0"},
		{"net/ipv4/icmp_ratemask", "0"},
		{"net/ipv6/icmp/ratelimit", "0"},
		{"net/ipv6/icmp/ratemask", "0"},
	} {
		errs = append(errs, n.local.Sysctl(s[0], s[1]))
	}
	n.t.Cleanup(func() {
		for _, in := range n.inject {
			if err := in.Close(); err != nil {
				n.t.Error(err)
			}
		}
	})
	n.wide = manyUsers(n.t)
	return errors.Join(errs...)
}

// manyUsers tells whether a thread of ours may be any user: in a user namespace of
// an ordinary user there is only root.
func manyUsers(t testing.TB) bool {
	t.Helper()
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	return !strings.HasSuffix(strings.TrimSpace(string(ids)), " 1")
}
