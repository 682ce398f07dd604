package daemon

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"pfw/e2e/hosts"
	"pfw/enforce/nflog"
)

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
	askAnything(t, local, "split.tracker.example")
	z.replies(nil)
	ask(t, local, "udp", "split.tracker.example")
	eventually(t, "it goes on", limit, func() bool { return knows(t, d, setOfNames("198.51.100.77"), "198.51.100.77") })
}

// askAnything asks for a name and takes whatever comes for an answer.
func askAnything(t *testing.T, h *hosts.Host, name string) {
	t.Helper()
	c, err := h.Dial("udp", "192.0.2.7:53", limit)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(build(dnsmessage.Header{ID: 5}, question(name), 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
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
	in := hosts.Inject(t, remote, local)
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
	askAnything(t, local, "x.tracker.example")
	z.replies(nil)
	ask(t, local, "udp", "x.tracker.example")
	eventually(t, "the true answer is known", limit, func() bool { return knows(t, d, setOfNames("198.51.100.2"), "198.51.100.2") })
	if knows(t, d, setOfNames("198.51.100.66"), "198.51.100.66") {
		t.Error("a false answer is known, too")
	}
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
