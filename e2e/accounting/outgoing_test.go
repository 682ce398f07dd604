package accounting

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// A flood of this machine's own packets, from many sockets: each entry is to name its sender, which takes longer than to
// read a message. The log must not suffer.
func TestBurstOfOutgoingPackets(t *testing.T) {
	for _, cap := range []string{"50/second", "unlimited"} {
		t.Run(cap, func(t *testing.T) {
			b := open(t, policy(cap))
			var sockets []net.PacketConn
			for range 500 {
				c, err := b.local.ListenPacket("udp", "192.0.2.10:0")
				b.must(err)
				defer c.Close()
				sockets = append(sockets, c)
			}
			to := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 27015}
			began := time.Now()
			for i := range burst {
				if _, err := sockets[i%len(sockets)].WriteTo([]byte("x"), to); !errors.Is(err, syscall.EPERM) {
					t.Fatal("not blocked: ", err)
				}
			}
			took := time.Since(began)
			b.sent += burst
			b.balance()
			t.Logf("%.0f packets a second; %d of %d entries name the process", burst/took.Seconds(), b.named, b.kinds["drop"])
			if b.named == 0 {
				t.Error("no entry names the process")
			}
		})
	}
}
