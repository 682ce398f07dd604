package daemon

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/e2e/hosts"
	"pfw/enforce"
)

// resolver has this process, and pfwd, ask a server.
var resolver = sync.OnceValue(func() error {
	return hosts.AskServer("nameserver 192.0.2.7\noptions timeout:1 attempts:1\n")
})

// named gives two hosts: local asks remote, which also has some more addresses.
func named(t *testing.T, addresses ...string) (local, remote *hosts.Host) {
	t.Helper()
	local, remote = hosts.Pair(t)
	if err := resolver(); err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if err := remote.AddLocal(netip.MustParsePrefix(a + "/32")); err != nil {
			t.Fatal(err)
		}
	}
	return local, remote
}

// ask looks a name up as a program on a host does, over udp or tcp.
func ask(t *testing.T, h *hosts.Host, network, name string) []netip.Addr {
	t.Helper()
	r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return h.Dial(network, "192.0.2.7:53", limit)
	}}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	list, err := r.LookupNetIP(ctx, "ip", name+".")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// setOfNames is the set that namesRules ask for the address.
func setOfNames(address string) string {
	names := policy.NewDomains(domainOf("ads.example.com"), domainOf("*.tracker.example"))
	if netip.MustParseAddr(address).Is4() {
		return enforce.NameSet(names, policy.IPv4)
	}
	return enforce.NameSet(names, policy.IPv6)
}

func domainOf(s string) policy.Domain {
	d, err := policy.ParseDomain(s)
	if err != nil {
		panic(err)
	}
	return d
}

// knows tells whether a set in the kernel has an address.
func knows(t *testing.T, d *hosts.Daemon, set, address string) bool {
	t.Helper()
	return strings.Contains(nftSet(t, d.Host, set), " "+address+" ")
}

func nftSet(t *testing.T, h *hosts.Host, set string) string {
	t.Helper()
	out, err := h.Command("nft", "list", "set", "inet", "pfw", set).CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	return strings.NewReplacer("{", " ", "}", " ", ",", " ").Replace(string(out))
}

const namesRules = blockAll + `
[[rule]]
name = "ads"
action = "block"
direction = "out"
remote = ["domain:ads.example.com", "domain:*.tracker.example"]
`

func TestBlockedByName(t *testing.T) {
	local, remote := named(t, "192.0.2.50", "192.0.2.51")
	serveNames(t, remote, map[string][]string{
		"ads.example.com":    {"CNAME edge.example.net"},
		"edge.example.net":   {"192.0.2.50", "2001:db8::50"},
		"x.tracker.example":  {"192.0.2.51"},
		"friend.example.com": {"192.0.2.7"},
	})
	listen(t, remote, ":80")
	open := stream(t, local, remote, "192.0.2.51:81")
	d := hosts.Run(t, local, namesRules)

	// Asked for at the start.
	eventually(t, "the name is looked up", limit, func() bool { return !connects(t, local, "192.0.2.50:80") })
	if e, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.EventType == "drop" && e.PFW.Rule == "ads" }); err != nil || e.PFW.Name != "ads.example.com" {
		t.Errorf("%v %s", err, e.Line)
	}

	// Seen when a program asks.
	if err := open.Alive(limit); err != nil {
		t.Fatal(err)
	}
	ask(t, local, "udp", "x.tracker.example")
	eventually(t, "the answer is seen", limit, func() bool { return !connects(t, local, "192.0.2.51:80") })
	if _, err := d.WaitEntry(limit, isCut("ads", "out", 81)); err != nil {
		t.Error(err)
	}
	if open.Alive(shortly) == nil {
		t.Error("an open connection to a blocked name goes on")
	}
	ask(t, local, "udp", "friend.example.com")
	if !connects(t, local, "192.0.2.7:80") {
		t.Error("a name that no rule is about is blocked")
	}
	var v api.Connections
	friend := stream(t, local, remote, "192.0.2.7:82")
	if err := json.Unmarshal([]byte(pfw(t, d, "connections", "--json")), &v); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range v.Connections {
		found = found || c.RemotePort == 82 && c.Name == "friend.example.com"
	}
	if !found {
		t.Errorf("%+v", v)
	}
	if err := friend.Alive(limit); err != nil {
		t.Error(err)
	}
}

// What is allowed by name comes through once the name is known, is let go on when it is not known any more, and nothing else
// comes through.
func TestAllowedByName(t *testing.T) {
	local, remote := named(t, "192.0.2.50", "192.0.2.51")
	z := serveNames(t, remote, map[string][]string{"www.example.com": {"192.0.2.50"}})
	listen(t, remote, ":80")
	const rules = "[default]\noutbound = \"block\"\n" + blockAll + rule53 + `
[[rule]]
name = "www"
action = "allow"
direction = "out"
remote = ["domain:www.example.com", "!domain:bad.example.com"]
`
	d := hosts.Run(t, local, rules)
	eventually(t, "the name is looked up", limit, func() bool { return connects(t, local, "192.0.2.50:80") })
	if connects(t, local, "192.0.2.51:80") {
		t.Error("an address that is not the name's is allowed")
	}
	open := stream(t, local, remote, "192.0.2.50:81")

	// The address is not the name's any more, as a minute later: what is open goes on over a reload, what is new does not.
	z.set("www.example.com", "192.0.2.51")
	if out, err := local.Command("nft", "flush", "set", "inet", "pfw", "name4/www.example.com").CombinedOutput(); err == nil {
		t.Errorf("pfwd owns its table: %s", out)
	}
	ask(t, local, "udp", "www.example.com")
	eventually(t, "the other address is known", limit, func() bool { return connects(t, local, "192.0.2.51:80") })
	reload(t, d)
	if err := open.Alive(limit); err != nil {
		t.Error(err)
	}
	// An address of a name that is excepted.
	z.set("bad.example.com", "192.0.2.50")
	ask(t, local, "udp", "bad.example.com")
	eventually(t, "the exception holds", limit, func() bool { return !connects(t, local, "192.0.2.50:80") })
	if open.Alive(shortly) == nil {
		t.Error("an open connection to an exception goes on")
	}
	out := pfw(t, d, "explain", "out tcp -> 192.0.2.51:443")
	if !strings.Contains(out, "192.0.2.51 is an address of www.example.com") {
		t.Error(out)
	}
	if out := pfw(t, d, "explain", "out tcp -> 192.0.2.50:443"); !strings.Contains(out, "that is an address of bad.example.com") {
		t.Error(out)
	}
}

// rule53 lets the test's server be asked.
const rule53 = `
[[rule]]
name = "dns"
action = "allow"
direction = "out"
port = 53
remote = "192.0.2.7"
`
