package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"pfw/e2e/hosts"
)

// The addresses of the demo. The laptop has one cable, and on it an address of
// each kind; the other machine is two: a neighbour on the LAN, and a stranger.
const (
	laptopLAN    = "192.168.7.10"
	laptopLAN6   = "fd00:7::10"
	laptopWAN    = "203.0.113.10"
	laptopWAN6   = "2001:db8::10"
	neighbour    = "192.168.7.20"
	neighbour6   = "fd00:7::20"
	stranger     = "203.0.113.7"
	stranger6    = "2001:db8::7"
	lanBroadcast = "192.168.7.255"
	mdns         = "224.0.0.251"
	mdns6        = "ff02::fb"
)

// network is the two hosts and the servers on them.
type network struct {
	laptop, other *hosts.Host
	scope         string // index of the other's eth0, the zone of its link-local scope

	arrived chan string // what datagrams brought to the laptop
	servers sync.WaitGroup
	closers []func() error
}

func newNetwork() (n *network, err error) {
	// More datagrams than are ever in flight, so that no server waits.
	n = &network{arrived: make(chan string, 1024)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if n.laptop, err = n.host("laptop"); err != nil {
		return n, err
	}
	if n.other, err = n.host("stranger"); err != nil {
		return n, err
	}
	err = hosts.Join(
		hosts.End{Host: n.laptop, Interface: "eth0",
			Addresses: hosts.Addresses(laptopLAN+"/24", laptopWAN+"/24", laptopLAN6+"/64", laptopWAN6+"/64")},
		hosts.End{Host: n.other, Interface: "eth0",
			Addresses: hosts.Addresses(neighbour+"/24", stranger+"/24", neighbour6+"/64", stranger6+"/64")})
	if err != nil {
		return n, err
	}
	index, err := n.other.Index("eth0")
	if err != nil {
		return n, err
	}
	n.scope = fmt.Sprint(index)
	for _, s := range []struct {
		host   *hosts.Host
		port   uint16
		banner string
	}{
		{n.laptop, 22, "SSH-2.0-demo"}, {n.laptop, 23, "laptop login:"}, {n.laptop, 80, "laptop's web page"},
		{n.laptop, 445, "laptop's files"}, {n.other, 23, "router login:"}, {n.other, 25, "220 mail"}, {n.other, 80, "a web page"},
	} {
		if err := n.serveTCP(s.host, s.port, s.banner); err != nil {
			return n, err
		}
	}
	return n, n.serveDatagrams()
}

func (n *network) host(name string) (*hosts.Host, error) {
	h, err := hosts.Create(name)
	if err == nil {
		n.closers = append(n.closers, h.Close)
	}
	return h, err
}

// serveTCP greets whoever connects to a port and hangs up.
func (n *network) serveTCP(h *hosts.Host, port uint16, banner string) error {
	l, err := h.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	n.serve(l.Close, func() error {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		// A client that left early is no matter of the server's.
		_, _ = conn.Write([]byte(banner))
		_ = conn.Close()
		return nil
	})
	return nil
}

// serveDatagrams answers DNS on the other machine, and notes on the laptop what
// comes in by unicast, broadcast and multicast.
func (n *network) serveDatagrams() error {
	dns, err := n.other.ListenPacket("udp", ":53")
	if err != nil {
		return err
	}
	n.serve(dns.Close, func() error {
		buf := make([]byte, 512)
		size, from, err := dns.ReadFrom(buf)
		if err != nil {
			return err
		}
		// A client that left early is no matter of the server's.
		_, _ = dns.WriteTo(buf[:size], from)
		return nil
	})
	var all []net.PacketConn
	err = n.laptop.Do(func() error {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		for _, open := range []func() (net.PacketConn, error){
			func() (net.PacketConn, error) {
				return net.ListenMulticastUDP("udp4", eth0, &net.UDPAddr{IP: net.ParseIP(mdns), Port: 5353})
			},
			func() (net.PacketConn, error) {
				return net.ListenMulticastUDP("udp6", eth0, &net.UDPAddr{IP: net.ParseIP(mdns6), Port: 5353})
			},
			func() (net.PacketConn, error) { return net.ListenPacket("udp4", ":17500") },
			func() (net.PacketConn, error) { return net.ListenPacket("udp", ":161") },
		} {
			c, err := open()
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		return nil
	})
	for _, c := range all {
		n.serve(c.Close, func() error {
			buf := make([]byte, 512)
			size, _, err := c.ReadFrom(buf)
			if err != nil {
				return err
			}
			n.arrived <- string(buf[:size])
			return nil
		})
	}
	return err
}

// serve runs one step of a server again and again until it is closed.
func (n *network) serve(closer, step func() error) {
	n.closers = append(n.closers, closer)
	n.servers.Go(func() {
		for {
			err := step()
			// What pfwd rejected for us comes back as an error of the socket.
			if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
		}
	})
}

// close hangs up, in the opposite order of coming up, and waits for the servers.
func (n *network) close() error {
	var errs []error
	for len(n.closers) > 0 {
		last := len(n.closers) - 1
		errs = append(errs, n.closers[last]())
		n.closers = n.closers[:last]
	}
	n.servers.Wait()
	return errors.Join(errs...)
}

// enterOther is the command that runs another one on the other machine.
func (n *network) enterOther() string {
	user := fmt.Sprintf("--target %d --user --preserve-credentials ", os.Getpid())
	// It refuses to enter the user namespace that it is in, as where root runs this.
	outside, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", os.Getppid()))
	if inside, ownErr := os.Readlink("/proc/self/ns/user"); err == nil && ownErr == nil && inside == outside {
		user = ""
	}
	return fmt.Sprintf("nsenter %s--net=%s", user, n.other.Path())
}

func addrPort(address string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(address), port)
}
