package daemon

import (
	"fmt"
	"net"
	"net/netip"

	"pfw/config/policy"
	"pfw/enforce"
)

// flowOf is a connection as the policy judges it, without its interface, its owner and the time.
func flowOf(t enforce.Tuple, direction policy.Direction) policy.Flow {
	f := policy.Flow{
		Direction: direction, Family: policy.IPv6, Protocol: t.Protocol,
		Source: policy.Known(t.Source.Addr()), Destination: policy.Known(t.Destination.Addr()),
		ICMPType: policy.Unknown[uint8](), Unit: policy.Unknown[string](), App: policy.Unknown[string](),
	}
	if t.Source.Addr().Is4() {
		f.Family = policy.IPv4
	}
	if t.Protocol.HasPorts() {
		f.SourcePort, f.DestinationPort = policy.Known(t.Source.Port()), policy.Known(t.Destination.Port())
	}
	if direction != policy.Out {
		f.InInterface = policy.Unknown[string]()
	}
	if direction != policy.In {
		f.OutInterface = policy.Unknown[string]()
	}
	if direction == policy.Out {
		f.User, f.Group = policy.Unknown[uint32](), policy.Unknown[uint32]()
	}
	return f
}

// addresses are this machine's own, each with the interface that has it.
type addresses map[netip.Addr]string

func localAddresses() (addresses, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	out := addresses{}
	for _, i := range interfaces {
		list, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", i.Name, err)
		}
		for _, a := range list {
			if n, ok := a.(*net.IPNet); ok {
				if addr, ok := netip.AddrFromSlice(n.IP); ok {
					out[addr.Unmap()] = i.Name
				}
			}
		}
	}
	return out, nil
}

// has tells whether an address is this machine's own.
func (own addresses) has(a netip.Addr) bool {
	_, ok := own[a]
	return ok || a.IsLoopback()
}
