package hosts

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Dial connects from the host, as net.DialTimeout does. The address is given in
// numbers: there is no resolver.
func (h *Host) Dial(network, address string, timeout time.Duration) (net.Conn, error) {
	return h.DialWith(net.Dialer{Timeout: timeout}, network, address)
}

// DialWith is Dial with all that a dialer can set, such as the local address.
func (h *Host) DialWith(d net.Dialer, network, address string) (conn net.Conn, err error) {
	// Dialling two families at once would leave this thread.
	d.FallbackDelay = -1
	err = h.Do(func() error { conn, err = d.Dial(network, address); return err })
	return conn, err
}

// Listen listens on the host, as net.Listen does.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	err = h.Do(func() error { l, err = net.Listen(network, address); return err })
	return l, err
}

// ListenPacket listens for packets on the host, as net.ListenPacket does.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = h.Do(func() error { c, err = net.ListenPacket(network, address); return err })
	return c, err
}

// pings tells the echo requests of this process apart.
var pings atomic.Uint32

// Ping sends one echo request from an address of the host (the zero Addr: the
// kernel's choice) and waits for its reply. Each has an identifier of its own, so
// each opens a connection. No answer in time is an error that is
// os.ErrDeadlineExceeded.
func (h *Host) Ping(from, to netip.Addr, timeout time.Duration) error {
	network, request, protocol := "ip4:icmp", icmp.Type(ipv4.ICMPTypeEcho), 1
	any := netip.IPv4Unspecified()
	if to.Is6() {
		network, request, protocol = "ip6:ipv6-icmp", ipv6.ICMPTypeEchoRequest, 58
		any = netip.IPv6Unspecified()
	}
	if !from.IsValid() {
		from = any
	}
	conn, err := h.ListenPacket(network, from.String())
	if err != nil {
		return fmt.Errorf("open raw socket: %w", err)
	}
	err = ping(conn, to, request, protocol, time.Now().Add(timeout))
	return errors.Join(err, conn.Close())
}

func ping(conn net.PacketConn, to netip.Addr, request icmp.Type, protocol int, deadline time.Time) error {
	id := int(uint16(os.Getpid()) + uint16(pings.Add(1)))
	text, err := (&icmp.Message{Type: request, Body: &icmp.Echo{ID: id, Seq: 1, Data: []byte("pfw")}}).Marshal(nil)
	if err != nil {
		return fmt.Errorf("write echo request: %w", err)
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	if _, err := conn.WriteTo(text, &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}); err != nil {
		return fmt.Errorf("send echo request: %w", err)
	}
	buf := make([]byte, 1500)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return fmt.Errorf("wait for echo reply: %w", err)
		}
		// A raw socket also sees what is meant for others, and errors.
		reply, err := icmp.ParseMessage(protocol, buf[:n])
		if err != nil {
			continue
		}
		if echo, ok := reply.Body.(*icmp.Echo); ok && echo.ID == id && isReply(reply.Type) {
			return nil
		}
	}
}

func isReply(t icmp.Type) bool { return t == ipv4.ICMPTypeEchoReply || t == ipv6.ICMPTypeEchoReply }
