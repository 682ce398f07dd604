package enforce

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// localAddresses are this machine's own addresses, as the kernel's table of local routes has them.
type localAddresses struct {
	own []netip.Prefix
	// forMany are addresses of its networks' broadcast.
	forMany []netip.Prefix
}

func (t *Table) localAddresses() (*localAddresses, error) {
	routes, err := t.routes.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_LOCAL}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list local addresses: %w", err)
	}
	var l localAddresses
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		addr, ok := netip.AddrFromSlice(r.Dst.IP)
		bits, _ := r.Dst.Mask.Size()
		if !ok {
			continue
		}
		p := netip.PrefixFrom(addr, bits)
		switch r.Type {
		case unix.RTN_LOCAL:
			l.own = append(l.own, p)
		case unix.RTN_BROADCAST, unix.RTN_ANYCAST:
			l.forMany = append(l.forMany, p)
		}
	}
	return &l, nil
}

// Directions tells which way connections were opened, each given as it was opened; zero for what stays on this machine.
func (t *Table) Directions(list []Tuple) ([]policy.Direction, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	own, err := t.localAddresses()
	if err != nil {
		return nil, err
	}
	out := make([]policy.Direction, len(list))
	for i := range list {
		out[i] = own.direction(list[i])
	}
	return out, nil
}

// direction tells which way a connection was opened; 0 where both ends are here.
func (l *localAddresses) direction(t Tuple) policy.Direction {
	from, to := t.Source.Addr(), t.Destination.Addr()
	switch {
	case l.is(from) && l.is(to):
		return 0
	case l.is(from), from.IsUnspecified():
		return policy.Out
	case l.is(to), to.IsMulticast(), to == netip.AddrFrom4([4]byte{255, 255, 255, 255}), contains(l.forMany, to):
		return policy.In
	}
	return policy.Forward
}

func (l *localAddresses) is(a netip.Addr) bool { return contains(l.own, a) }

func contains(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
