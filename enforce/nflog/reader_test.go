package nflog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const group = 100

// logOutgoing logs every UDP packet that this host sends to ports 7000 to 7999, and nothing else.
const logOutgoing = `table inet t {
	chain output { type filter hook output priority 0; udp dport 7000-7999 log prefix "sent " group 100; }
}`

func mustOpen(t *testing.T) *Reader {
	t.Helper()
	r, err := Open(group, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// start runs the reader until the test ends or stop is called.
func start(t *testing.T, r *Reader, f func(*Message)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, f) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

func describeMessage(m *Message) string {
	return fmt.Sprintf("%q %s %s>%s %s", m.Prefix, m.Hook, m.InIface, m.OutIface, describe(&m.Packet))
}

func TestPacketsFromTheWire(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	left := plug(t, "left", "eth0")
	plug(t, "right", "eth1")
	for _, args := range []string{
		"addr add 198.51.100.2/32 dev eth0",
		"route add 192.0.2.0/24 dev eth0",
		"addr add 2001:db8::2/64 dev eth0 nodad",
		"addr add 203.0.113.1/24 dev eth1",
		"neigh add 203.0.113.9 lladdr 02:00:00:00:00:09 dev eth1",
	} {
		run(t, "", "ip", strings.Fields(args)...)
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	nft(t, `table inet t {
		chain prerouting { type filter hook prerouting priority 0; udp dport 5555 log prefix "early" group 100; }
		chain input { type filter hook input priority 0;
			ip saddr 192.0.2.1 log prefix "in4 block=ssh" group 100 drop
			ip6 saddr 2001:db8::1 log prefix "in6 " group 100 drop
		}
		chain forward { type filter hook forward priority 0; log prefix "through" group 100; }
	}`)

	messages := make(chan *Message, 100)
	start(t, mustOpen(t), func(m *Message) { messages <- m })

	forwarded := func(b []byte) []byte {
		return slices.Replace(b, 16, 20, 203, 0, 113, 9)
	}
	for _, c := range []struct {
		send []byte
		want string
	}{
		{ip4(6, 0, tcp(2)...), `"in4 block=ssh" input eth0> 6 192.0.2.1:40312 -> 198.51.100.2:23 flags S len 40`},
		{ip4(17, 0, append(udp(), make([]byte, 1000)...)...), `"in4 block=ssh" input eth0> 17 192.0.2.1:5353 -> 198.51.100.2:53 len 1028`},
		{ip4(1, 0, icmp(3, 3, ip4(17, 0, udp()...)...)...),
			`"in4 block=ssh" input eth0> 1 192.0.2.1 -> 198.51.100.2 icmp 3/3 len 56 about 17 192.0.2.1:5353 -> 198.51.100.2:53`},
		{ip4(132, 0, udp()...), `"in4 block=ssh" input eth0> 132 192.0.2.1:5353 -> 198.51.100.2:53 len 28`},
		{ip6(58, icmp(128, 0)), `"in6 " input eth0> 58 2001:db8::1 -> 2001:db8::2 icmp 128/0 len 48`},
		{ip6(0, []byte{60, 0, 1, 4, 0, 0, 0, 0}, []byte{17, 0, 1, 4, 0, 0, 0, 0}, udp()),
			`"in6 " input eth0> 17 [2001:db8::1]:5353 -> [2001:db8::2]:53 len 64`},
		{forwarded(ip4(6, 0, tcp(2)...)), `"through" forward eth0>eth1 6 192.0.2.1:40312 -> 203.0.113.9:23 flags S len 40`},
		{forwarded(ip4(17, 0x2000, udp()...)), `"through" forward eth0>eth1 17 192.0.2.1:5353 -> 203.0.113.9:53 fragment len 28`},
		{forwarded(ip4(17, 0x0001, udp()...)), `"through" forward eth0>eth1 17 192.0.2.1 -> 203.0.113.9 fragment len 28`},
		{forwarded(ip4(17, 0, 0x14, 0xe9, 0x15, 0xb3, 0, 8, 0, 0)), `"early" other eth0> 17 192.0.2.1:5353 -> 203.0.113.9:5555 len 28`},
	} {
		sent := time.Now()
		left.send(t, c.send)
		var m *Message
		select {
		case m = <-messages:
		case <-time.After(10 * time.Second):
			t.Fatalf("no message: want %s", c.want)
		}
		if got := describeMessage(m); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if m.UIDKnown || m.GIDKnown {
			t.Errorf("%s: user %d, group %d of a packet that nobody here has sent", c.want, m.UID, m.GID)
		}
		if m.PacketError != nil {
			t.Errorf("%s: %v", c.want, m.PacketError)
		}
		if m.Timestamp.Before(sent.Add(-time.Second)) || m.Timestamp.After(time.Now()) {
			t.Errorf("%s: sent %s, timestamp %s", c.want, sent, m.Timestamp)
		}
	}
}

// A packet that this host sends to itself is logged on its way out, with its sender, and on its way in.
func TestSenderIsKnown(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	nft(t, logOutgoing)
	nft(t, `add chain inet t input { type filter hook input priority 0; }
		add rule inet t input udp dport 7000 log prefix "came " group 100`)
	messages := make(chan *Message, 100)
	start(t, mustOpen(t), func(m *Message) { messages <- m })
	datagrams(t, 7000, 1)

	out, in := <-messages, <-messages
	loopback := netip.MustParseAddr("127.0.0.1")
	for _, m := range []*Message{out, in} {
		p := m.Packet
		if p.Source != loopback || p.Destination != loopback || p.DestinationPort != 7000 || p.SourcePort == 0 || p.Length != 29 {
			t.Errorf("%s", describeMessage(m))
		}
		if age := time.Since(m.Timestamp); age < 0 || age > 10*time.Second {
			t.Errorf("timestamp %s is %s ago", m.Timestamp, age)
		}
	}
	if out.Prefix != "sent " || out.Hook != Output || out.InIface != "" || out.OutIface != "lo" {
		t.Errorf("outgoing: %s", describeMessage(out))
	}
	if !out.UIDKnown || out.UID != testUID || !out.GIDKnown || out.GID != testGID {
		t.Errorf("outgoing: user %d (known: %v), group %d (known: %v)", out.UID, out.UIDKnown, out.GID, out.GIDKnown)
	}
	if in.Prefix != "came " || in.Hook != Input || in.InIface != "lo" || in.OutIface != "" {
		t.Errorf("incoming: %s", describeMessage(in))
	}
}

func TestGroupHasOneListener(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	r := mustOpen(t)
	if second, err := Open(group, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrGroupTaken) {
		t.Errorf("second listener: %v, %v", second, err)
	}
	other, err := Open(group+1, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Errorf("another group: %v", err)
	}
	for _, r := range []*Reader{r, r, other} { // twice is no error
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	// It is free as soon as Close or Run has returned, every time, and nothing stays behind.
	before := runtime.NumGoroutine()
	for range 100 {
		stop := start(t, mustOpen(t), func(*Message) {})
		stop()
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

// What is logged between Open and Run waits.
func TestNothingIsMissedAfterOpen(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	nft(t, logOutgoing)
	r := mustOpen(t)
	datagrams(t, 7000, 1000)
	time.Sleep(200 * time.Millisecond) // the kernel's queue of 10 ms is out
	start(t, r, func(*Message) {})
	eventually(t, "1000 messages", func() bool { return r.Received() >= 1000 })
	if r.Received() != 1000 || r.Lost() != 0 {
		t.Errorf("received %d, lost %d, of 1000", r.Received(), r.Lost())
	}
}

func TestTenThousandInARow(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	nft(t, logOutgoing)
	const packets = 10_000
	kept := make([]*Message, 0, packets)
	r := mustOpen(t)
	stop := start(t, r, func(m *Message) { kept = append(kept, m) })
	for i := range 10 {
		datagrams(t, 7000+i, packets/10)
	}
	eventually(t, "all messages", func() bool { return r.Received() >= packets })
	stop()
	if len(kept) != packets || r.Received() != packets || r.Lost() != 0 || r.Overruns() != 0 {
		t.Errorf("got %d, received %d, lost %d, overruns %d, of %d", len(kept), r.Received(), r.Lost(), r.Overruns(), packets)
	}
	for i, m := range kept { // each is still itself, long after its buffer was used again
		if port := 7000 + i/(packets/10); m.Prefix != "sent " || int(m.Packet.DestinationPort) != port {
			t.Fatalf("message %d: %s, want port %d", i, describeMessage(m), port)
		}
	}
}

func TestOverrun(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	nft(t, logOutgoing)
	var warnings strings.Builder
	r, err := open(group, headers, 64<<10, slog.New(slog.NewTextHandler(&warnings, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if warnings.Len() != 0 {
		t.Errorf("a buffer that was granted: %s", &warnings)
	}
	blocked, release := make(chan struct{}), make(chan struct{})
	first, tail := true, make(chan struct{})
	start(t, r, func(m *Message) {
		if first {
			first = false
			close(blocked)
			<-release
		}
		if m.Packet.DestinationPort == 7999 {
			close(tail)
		}
	})
	datagrams(t, 7000, 1)
	<-blocked
	const packets = 20_000
	datagrams(t, 7000, packets)

	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := r.Alive(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a reader whose function hangs: %v, want that it does not answer", err)
	}
	close(release)
	if err := r.Alive(t.Context()); err != nil {
		t.Errorf("after the overrun: %v", err)
	}

	// Once the buffer is empty one more packet arrives, and shows what was lost before it.
	for before := uint64(0); before != r.Received(); time.Sleep(300 * time.Millisecond) {
		before = r.Received()
	}
	datagrams(t, 7999, 1)
	<-tail
	if r.Lost() == 0 || r.Overruns() == 0 || r.Received()+r.Lost() != packets+2 {
		t.Errorf("received %d + lost %d = %d, want %d; overruns %d",
			r.Received(), r.Lost(), r.Received()+r.Lost(), packets+2, r.Overruns())
	}
}

func TestSmallBufferIsSaid(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	var warnings strings.Builder
	r, err := Open(group, slog.New(slog.NewTextHandler(&warnings, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	// In a user namespace of its own the process may not exceed net.core.rmem_max.
	if !strings.Contains(warnings.String(), "net.core.rmem_max") {
		t.Errorf("got %q", &warnings)
	}
}

func TestAlive(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	r := mustOpen(t)
	stop := start(t, r, func(*Message) { t.Error("a message, though nothing is logged") })
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if err := r.Alive(ctx); err != nil {
			t.Errorf("an idle reader: %v", err)
		}
		cancel()
	}
	stop()
	if err := r.Alive(t.Context()); err == nil {
		t.Error("a reader that has ended says that it lives")
	}
	if r.Received() != 0 || r.Lost() != 0 || r.Overruns() != 0 {
		t.Errorf("received %d, lost %d, overruns %d", r.Received(), r.Lost(), r.Overruns())
	}
}

// A daemon starts again while packets pour in; the first of them must not get into the way of the setup.
func TestOpenUnderFlood(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	// Each packet is sent on at once, as big ones would be: the kernel's queue would hide a few small ones.
	nft(t, strings.Replace(logOutgoing, "group 100", "group 100 queue-threshold 1", 1))
	end, flooded := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(flooded)
		for range 100 { // at most 500,000 packets
			select {
			case <-end:
				return
			default:
				datagrams(t, 7000, 5000)
			}
		}
	}()
	for range 30 {
		r := mustOpen(t)
		stop := start(t, r, func(*Message) {})
		eventually(t, "a message", func() bool { return r.Received() > 0 })
		stop()
	}
	close(end)
	<-flooded
}

func TestCloseEndsRun(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	nft(t, logOutgoing)
	r := mustOpen(t)
	done := make(chan error, 1)
	received, release := make(chan struct{}, 1000), make(chan struct{})
	go func() { done <- r.Run(t.Context(), func(*Message) { received <- struct{}{}; <-release }) }()
	datagrams(t, 7000, 100)
	<-received
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	select {
	case err := <-closed:
		t.Errorf("closed while a message is being handed over: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if err := r.Alive(t.Context()); err == nil {
		t.Error("a reader that is closed says that it lives")
	}
}
