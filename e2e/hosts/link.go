package hosts

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// End is one end of a cable: the interface that it makes on a host, and the
// addresses of that interface with the length of their subnet.
type End struct {
	Host      *Host
	Interface string // at most 15 bytes, unique on the host
	Addresses []netip.Prefix
}

// Addresses parses addresses with their subnet, such as "192.0.2.10/24". It
// panics on anything else, being meant for constants.
func Addresses(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// Join lays a cable between two hosts: a veth pair, both ends up with their
// addresses usable when it returns.
func Join(a, b End) error {
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: a.Interface},
		PeerName:      b.Interface,
		PeerNamespace: netlink.NsFd(int(b.Host.ns)),
	}
	if err := a.Host.link.LinkAdd(veth); err != nil {
		return fmt.Errorf("join %s %s and %s %s: %w", a.Host.Name, a.Interface, b.Host.Name, b.Interface, err)
	}
	for _, end := range []End{a, b} {
		if err := end.Host.Up(end.Interface); err != nil {
			return err
		}
		for _, prefix := range end.Addresses {
			if err := end.Host.AddAddress(end.Interface, prefix); err != nil {
				return err
			}
		}
	}
	return errors.Join(a.awaitCarrier(), b.awaitCarrier())
}

// awaitCarrier waits until the kernel has noticed that the other end is up. Before, IPv6 does not use the interface, and
// packets are lost; a TCP connection then comes a second late.
func (e End) awaitCarrier() error {
	for deadline := time.Now().Add(readyLimit); ; time.Sleep(time.Millisecond) {
		var state netlink.LinkOperState
		err := e.Host.onLink(e.Interface, "carrier", func(l netlink.Link) error { state = l.Attrs().OperState; return nil })
		if err != nil || state == netlink.OperUp {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("host %s: %s is still %s after %s", e.Host.Name, e.Interface, state, readyLimit)
		}
	}
}

// Up brings an interface up.
func (h *Host) Up(iface string) error { return h.onLink(iface, "up", h.link.LinkSetUp) }

// Index is the number of an interface, which is also its zone in a link-local
// address: net keeps names of zones for a while, whatever namespace they are of.
func (h *Host) Index(iface string) (index int, err error) {
	err = h.onLink(iface, "index", func(l netlink.Link) error { index = l.Attrs().Index; return nil })
	return index, err
}

// Down takes an interface down.
func (h *Host) Down(iface string) error { return h.onLink(iface, "down", h.link.LinkSetDown) }

func (h *Host) onLink(iface, what string, f func(netlink.Link) error) error {
	link, err := h.link.LinkByName(iface)
	if err == nil {
		err = f(link)
	}
	if err != nil {
		return fmt.Errorf("host %s: %s %s: %w", h.Name, iface, what, err)
	}
	return nil
}

// AddAddress gives an interface an address in a subnet, usable when it returns.
func (h *Host) AddAddress(iface string, prefix netip.Prefix) error {
	addr := &netlink.Addr{IPNet: ipNet(prefix)}
	if prefix.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return h.onLink(iface, "address "+prefix.String(), func(l netlink.Link) error {
		if err := h.link.AddrAdd(l, addr); err != nil {
			return err
		}
		if prefix.Addr().Is4() || l.Attrs().RawFlags&(unix.IFF_NOARP|unix.IFF_LOOPBACK) != 0 {
			return nil
		}
		return h.awaitGroup(iface, solicitedNode(prefix.Addr()))
	})
}

// solicitedNode is the multicast group by which neighbours ask for an address, see RFC 4291, 2.7.1.
func solicitedNode(a netip.Addr) netip.Addr {
	group, low := netip.MustParseAddr("ff02::1:ff00:0").As16(), a.As16()
	copy(group[13:], low[13:])
	return netip.AddrFrom16(group)
}

// awaitGroup waits until an interface has joined a multicast group.
func (h *Host) awaitGroup(iface string, group netip.Addr) error {
	want := fmt.Sprintf(" %s %x ", iface, group.As16())
	for deadline := time.Now().Add(readyLimit); ; time.Sleep(time.Millisecond) {
		var groups []byte
		if err := h.Do(func() (err error) { groups, err = os.ReadFile("/proc/thread-self/net/igmp6"); return err }); err != nil {
			return err
		}
		for line := range strings.Lines(string(groups)) {
			if strings.Contains(strings.Join(strings.Fields(line), " "), want) {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no member of %s after %s", group, readyLimit)
		}
	}
}

// AddRoute sends what is for dst by way of the neighbour via; the zero prefix of
// a family is the default route.
func (h *Host) AddRoute(dst netip.Prefix, via netip.Addr) error {
	route := &netlink.Route{Dst: ipNet(dst.Masked()), Gw: via.AsSlice()}
	if err := h.link.RouteAdd(route); err != nil {
		return fmt.Errorf("host %s: route %s via %s: %w", h.Name, dst, via, err)
	}
	return nil
}

// AddMarkedRoute sends packets that carry a mark (SO_MARK), whatever their
// destination, by way of the neighbour via on an interface; others of the same
// family are not concerned.
func (h *Host) AddMarkedRoute(mark uint32, iface string, via netip.Addr) error {
	rule := netlink.NewRule()
	rule.Mark, rule.Table = mark, 1000+int(mark)
	if rule.Family = unix.AF_INET; via.Is6() {
		rule.Family = unix.AF_INET6
	}
	if err := h.link.RuleAdd(rule); err != nil {
		return fmt.Errorf("host %s: rule for mark %d: %w", h.Name, mark, err)
	}
	return h.onLink(iface, fmt.Sprintf("route for mark %d via %s", mark, via), func(l netlink.Link) error {
		return h.link.RouteAdd(&netlink.Route{
			LinkIndex: l.Attrs().Index,
			Table:     rule.Table,
			Dst:       ipNet(netip.PrefixFrom(via, 0).Masked()),
			Gw:        via.AsSlice(),
		})
	})
}

// Hardware is the address of an interface's hardware.
func (h *Host) Hardware(iface string) (mac net.HardwareAddr, err error) {
	err = h.onLink(iface, "hardware", func(l netlink.Link) error { mac = l.Attrs().HardwareAddr; return nil })
	return mac, err
}

// AddNeighbour makes a neighbour known for good, so that nobody need answer for
// its address.
func (h *Host) AddNeighbour(iface string, addr netip.Addr, mac net.HardwareAddr) error {
	return h.onLink(iface, "neighbour "+addr.String(), func(l netlink.Link) error {
		return h.link.NeighSet(&netlink.Neigh{
			LinkIndex:    l.Attrs().Index,
			State:        netlink.NUD_PERMANENT,
			IP:           addr.AsSlice(),
			HardwareAddr: mac,
		})
	})
}

// ForgetConnections empties the host's table of connections (conntrack).
func (h *Host) ForgetConnections() error {
	return h.Do(func() error {
		if err := netlink.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
			return fmt.Errorf("host %s: flush conntrack: %w", h.Name, err)
		}
		return nil
	})
}

// AddLocal makes every address of a prefix the host's own: it answers for them
// and sockets may bind them. Neighbours need a route to it through the host.
func (h *Host) AddLocal(prefix netip.Prefix) error {
	// Unlike IPv4, IPv6 lets a socket bind only addresses of an interface.
	if err := h.Sysctl("net/ipv6/ip_nonlocal_bind", "1"); err != nil {
		return err
	}
	return h.onLink("lo", "local "+prefix.String(), func(l netlink.Link) error {
		return h.link.RouteAdd(&netlink.Route{
			LinkIndex: l.Attrs().Index,
			Dst:       ipNet(prefix.Masked()),
			Table:     unix.RT_TABLE_LOCAL,
			Type:      unix.RTN_LOCAL,
			Scope:     unix.RT_SCOPE_HOST,
		})
	})
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// CreateRouted makes three hosts in a row, the middle one a router:
//
//	left eth0 192.0.2.2, 2001:db8:1::2
//	router left 192.0.2.1, 2001:db8:1::1; right 198.51.100.1, 2001:db8:2::1
//	right eth0 198.51.100.2, 2001:db8:2::2
//
// with default routes through the router. The caller closes them.
func CreateRouted() (left, router, right *Host, err error) {
	made := make(map[string]*Host)
	defer func() {
		if err != nil {
			for _, h := range made {
				err = errors.Join(err, h.Close())
			}
		}
	}()
	for _, name := range []string{"left", "router", "right"} {
		if made[name], err = Create(name); err != nil {
			delete(made, name)
			return nil, nil, nil, err
		}
	}
	left, router, right = made["left"], made["router"], made["right"]
	return left, router, right, errors.Join(
		Join(End{left, "eth0", Addresses("192.0.2.2/24", "2001:db8:1::2/64")},
			End{router, "left", Addresses("192.0.2.1/24", "2001:db8:1::1/64")}),
		Join(End{router, "right", Addresses("198.51.100.1/24", "2001:db8:2::1/64")},
			End{right, "eth0", Addresses("198.51.100.2/24", "2001:db8:2::2/64")}),
		router.Forward(),
		left.defaultRoutes("192.0.2.1", "2001:db8:1::1"),
		right.defaultRoutes("198.51.100.1", "2001:db8:2::1"),
	)
}

func (h *Host) defaultRoutes(via4, via6 string) error {
	return errors.Join(
		h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr(via4)),
		h.AddRoute(netip.MustParsePrefix("::/0"), netip.MustParseAddr(via6)),
	)
}
