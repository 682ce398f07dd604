package daemon

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
	"pfw/daemon/api"
	"pfw/e2e/hosts"
	"pfw/enforce"
	"pfw/enforce/nflog"
)

// zone is what a server of a test's own answers: by name, addresses and "CNAME name"; ttl is of all.
type zone struct {
	mu      sync.Mutex
	records map[string][]string
	ttl     uint32
	asked   map[string]int
	// reply, where it is set, gives the whole answer.
	reply func(q dnsmessage.Question, id uint16) []byte
}

func (z *zone) set(name string, records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = records
}

func (z *zone) replies(with func(q dnsmessage.Question, id uint16) []byte) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.reply = with
}

func (z *zone) answer(b []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	z.asked[name]++
	if z.reply != nil {
		return z.reply(q, h.ID)
	}
	h.Response, h.RecursionAvailable = true, true
	if z.records[name] == nil {
		h.RCode = dnsmessage.RCodeNameError
	}
	return build(h, q, z.ttl, z.chain(name)...)
}

// chain gives the records of a name, and of those that it is another name for, as resolvers do.
func (z *zone) chain(name string) (out [][2]string) {
	for _, r := range z.records[name] {
		out = append(out, [2]string{name, r})
		if target, ok := strings.CutPrefix(r, "CNAME "); ok {
			out = append(out, z.chain(target)...)
		}
	}
	return out
}

// build writes an answer; of addresses those that are asked for.
func build(h dnsmessage.Header, q dnsmessage.Question, ttl uint32, records ...[2]string) []byte {
	b := dnsmessage.NewBuilder(nil, h)
	b.EnableCompression()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	must(b.StartQuestions())
	must(b.Question(q))
	must(b.StartAnswers())
	for _, r := range records {
		head := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(r[0] + "."), Class: dnsmessage.ClassINET, TTL: ttl}
		if target, ok := strings.CutPrefix(r[1], "CNAME "); ok {
			must(b.CNAMEResource(head, dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target + ".")}))
			continue
		}
		switch a := netip.MustParseAddr(r[1]); {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			must(b.AResource(head, dnsmessage.AResource{A: a.As4()}))
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			must(b.AAAAResource(head, dnsmessage.AAAAResource{AAAA: a.As16()}))
		}
	}
	out, err := b.Finish()
	must(err)
	return out
}

// serveNames answers at port 53 of a host, over UDP and TCP.
func serveNames(t *testing.T, h *hosts.Host, records map[string][]string) *zone {
	t.Helper()
	z := &zone{records: maps.Clone(records), ttl: 300, asked: map[string]int{}}
	udp, err := h.ListenPacket("udp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := h.Listen("tcp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		if err := errors.Join(udp.Close(), tcp.Close()); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	serving.Go(func() {
		for b := make([]byte, 4096); ; {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			// Nobody waits for an answer that is lost.
			_, _ = udp.WriteTo(z.answer(b[:n]), from)
		}
	})
	serving.Go(func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			z.over(c)
		}
	})
	return z
}

// over answers one question over TCP, in pieces.
func (z *zone) over(c net.Conn) {
	defer c.Close()
	length := make([]byte, 2)
	if _, err := io.ReadFull(c, length); err != nil {
		return
	}
	b := make([]byte, binary.BigEndian.Uint16(length))
	if _, err := io.ReadFull(c, b); err != nil {
		return
	}
	out := z.answer(b)
	out = append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)
	for _, part := range [][]byte{out[:1], out[1 : len(out)/2], out[len(out)/2:]} {
		if _, err := c.Write(part); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond) // so that each goes by itself
	}
}

// resolver has this process, and pfwd, ask a server.
var resolver = sync.OnceValue(func() error {
	f, err := os.CreateTemp("", "resolv")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.WriteString("nameserver 192.0.2.7\noptions timeout:1 attempts:1\n"); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	path, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return err
	}
	return unix.Mount(f.Name(), path, "", unix.MS_BIND, "")
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

func TestAnswersOfManyKinds(t *testing.T) {
	local, remote := named(t)
	var many []string
	for i := range 50 {
		many = append(many, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String(), "2001:db8:1::"+strconv.Itoa(i+1))
	}
	z := serveNames(t, remote, map[string][]string{
		"ads.example.com":       {"198.51.100.200"},
		"fifty.tracker.example": many,
		"split.tracker.example": {"198.51.100.77"},
	})
	d := hosts.Run(t, local, namesRules)
	eventually(t, "the name is looked up", limit, func() bool { return knows(t, d, setOfNames("198.51.100.200"), "198.51.100.200") })
	if n := len(ask(t, local, "tcp", "fifty.tracker.example")); n != 100 {
		t.Fatalf("%d addresses", n)
	}
	for _, a := range many {
		eventually(t, a+" is known", limit, func() bool { return knows(t, d, setOfNames(a), a) })
	}
	// A message that is none, and then one that is.
	z.replies(func(dnsmessage.Question, uint16) []byte { return []byte("nothing of the kind") })
	c, err := local.Dial("udp", "192.0.2.7:53", limit)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(build(dnsmessage.Header{ID: 5}, question("split.tracker.example"), 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	z.replies(nil)
	ask(t, local, "udp", "split.tracker.example")
	eventually(t, "it goes on", limit, func() bool { return knows(t, d, setOfNames("198.51.100.77"), "198.51.100.77") })
}

func question(name string) dnsmessage.Question {
	return dnsmessage.Question{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
}

// Who was not asked teaches nothing: a packet from port 53 that comes by itself, and one that comes in time to the right port
// with another number.
func TestAnswersThatNobodyAskedForTeachNothing(t *testing.T) {
	local, remote := named(t)
	z := serveNames(t, remote, map[string][]string{"ads.example.com": {"198.51.100.1"}, "x.tracker.example": {"198.51.100.2"}})
	d := hosts.Run(t, local, "[default]\ninbound = \"allow\"\n"+namesRules)
	spoof := func(q dnsmessage.Question, id uint16) []byte {
		return build(dnsmessage.Header{ID: id, Response: true}, q, 300, [2]string{"x.tracker.example", "198.51.100.66"})
	}
	there, err := remote.ListenPacket("udp", ":5300")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	here, err := local.ListenPacket("udp", "192.0.2.10:4000")
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	// From port 53, to a socket that has asked nothing there.
	z.replies(func(q dnsmessage.Question, id uint16) []byte { return spoof(q, id+1) })
	in, err := remote.NewInjector("eth0", hardware(t, local))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	stray := hosts.Packet{Protocol: 17, Source: netip.MustParseAddr("192.0.2.7"), Destination: netip.MustParseAddr("192.0.2.10"),
		SourcePort: 53, DestinationPort: 4000, Payload: spoof(question("x.tracker.example"), 7)}
	if err := in.Send(stray.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := here.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := here.ReadFrom(make([]byte, 512)); err != nil {
		t.Fatalf("the stray answer did not come in: %v", err)
	}
	// With another number.
	c, err := local.Dial("udp", "192.0.2.7:53", limit)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(build(dnsmessage.Header{ID: 5}, question("x.tracker.example"), 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	z.replies(nil)
	ask(t, local, "udp", "x.tracker.example")
	eventually(t, "the true answer is known", limit, func() bool { return knows(t, d, setOfNames("198.51.100.2"), "198.51.100.2") })
	if knows(t, d, setOfNames("198.51.100.66"), "198.51.100.66") {
		t.Error("a false answer is known, too")
	}
}

func hardware(t *testing.T, h *hosts.Host) net.HardwareAddr {
	t.Helper()
	mac, err := h.Hardware("eth0")
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

// A resolver on the machine itself: its answers stay on loopback, whatever way it asks others.
func TestAnswersOfAResolverOnThisMachine(t *testing.T) {
	local, _ := named(t)
	serveNames(t, local, map[string][]string{"x.tracker.example": {"198.51.100.2"}})
	d := hosts.Run(t, local, namesRules)
	r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return local.Dial("udp", "127.0.0.1:53", limit)
	}}
	if _, err := r.LookupNetIP(t.Context(), "ip4", "x.tracker.example."); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the answer is known", limit, func() bool { return knows(t, d, setOfNames("198.51.100.2"), "198.51.100.2") })
}

// What is known outlives reloads, a crash, and a stop, while nobody can be asked any more.
func TestNamesOutliveTheProcess(t *testing.T) {
	local, remote := named(t, "192.0.2.50")
	z := serveNames(t, remote, map[string][]string{"www.tracker.example": {"192.0.2.50"}})
	listen(t, remote, ":80")
	d := hosts.Run(t, local, namesRules)
	ask(t, local, "udp", "www.tracker.example")
	blocked := func() bool { return !connects(t, local, "192.0.2.50:80") }
	eventually(t, "it is blocked", limit, blocked)
	z.set("www.tracker.example")
	reload(t, d)
	if !blocked() {
		t.Error("not blocked after a reload")
	}
	// Other names beside it: another set.
	edit(t, d, strings.Replace(namesRules, "\"domain:ads.example.com\"", "\"domain:other.example.com\"", 1))
	reload(t, d)
	if !blocked() {
		t.Error("not blocked by a rule that names it with others")
	}
	eventually(t, "it is saved", 2*limit, func() bool {
		text, err := os.ReadFile(filepath.Join(d.Dir, "state", "names.json"))
		return err == nil && strings.Contains(string(text), "192.0.2.50")
	})
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	if !blocked() {
		t.Error("not blocked while no pfwd runs")
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if !blocked() {
		t.Error("not blocked after a crash")
	}
	if entries, err := d.Entries(); err != nil || slices.ContainsFunc(entries, func(e hosts.Entry) bool { return e.EventType == "tamper" }) {
		t.Errorf("%v, or the table is said to be tampered with", err)
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if blocked() {
		t.Error("blocked by a firewall that is off")
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if !blocked() {
		t.Error("not blocked after a stop")
	}
	// At a start with a bad file the last good policy knows it.
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	edit(t, d, bad)
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if !blocked() {
		t.Error("not blocked by the last good policy")
	}
}

func TestGroupOfAnswersThatIsTaken(t *testing.T) {
	local, _ := named(t)
	var taken *nflog.Reader
	err := local.Do(func() (err error) { taken, err = nflog.Open(102, slog.New(slog.DiscardHandler)); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	d := hosts.Prepare(t, local, namesRules)
	if err := d.Start(); hosts.ExitCode(err) != 1 || !strings.Contains(err.Error(), "group 102") || !strings.Contains(err.Error(), "[log] group") {
		t.Errorf("%v", err)
	}
	edit(t, d, telnet)
	if err := d.Start(); err != nil {
		t.Errorf("where no rule names a domain, nobody needs the group: %v", err)
	}
}

// The time from an answer to what the kernel makes of it.
func TestAnswersAreKnownSoon(t *testing.T) {
	local, remote := named(t, "192.0.2.50")
	const n = 40
	records := map[string][]string{}
	for i := range n {
		records[strconv.Itoa(i)+".tracker.example"] = []string{"198.51.100." + strconv.Itoa(i)}
	}
	serveNames(t, remote, records)
	d := hosts.Run(t, local, namesRules)
	var took []time.Duration
	for i := range n {
		ask(t, local, "udp", strconv.Itoa(i)+".tracker.example")
		began := time.Now()
		eventuallyFast(t, limit, func() bool { return knows(t, d, setOfNames("198.51.100.1"), "198.51.100."+strconv.Itoa(i)) })
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("after %s, in half of the cases, and %s, seen by nft, which takes some milliseconds itself", took[n/2], took[n-1])
}

func eventuallyFast(t *testing.T, within time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s", within)
		}
	}
}

// That a name is not there is a notice; that nobody can be asked is wrong.
func TestNamesWithoutAddresses(t *testing.T) {
	local, remote := named(t)
	z := serveNames(t, remote, map[string][]string{})
	d := hosts.Run(t, local, namesRules)
	alone, _ := named(t) // where nobody answers
	other := hosts.Run(t, alone, namesRules)
	tells := func(d *hosts.Daemon, says func(s api.Status) bool) {
		t.Helper()
		eventually(t, "pfw status tells", time.Minute, func() bool {
			var s api.Status
			if err := json.Unmarshal([]byte(pfw(t, d, "status", "--json")), &s); err != nil {
				t.Fatal(err)
			}
			return says(s)
		})
	}
	about := func(f api.Fault) bool { return strings.Contains(f.What, "ads.example.com") && f.Remedy != "" }
	tells(d, func(s api.Status) bool { return s.State == api.OK && slices.ContainsFunc(s.Notices, about) })
	tells(other, func(s api.Status) bool { return s.State == api.Degraded && slices.ContainsFunc(s.Faults, about) })
	z.set("ads.example.com", "198.51.100.1")
	ask(t, local, "udp", "ads.example.com")
	tells(d, func(s api.Status) bool { return s.State == api.OK && !slices.ContainsFunc(s.Notices, about) })
}
