package enforce

import (
	"pfw/config/policy"
)

func (w *randomWorld) traffic() policy.Traffic {
	switch {
	case w.is(w.types):
		return policy.OfICMPTypes{V4: some(w.r, func() uint8 { return []uint8{8, 13, 15, 17}[w.r.IntN(4)] }), V6: []uint8{128, 139}[:w.r.IntN(3)]}
	case w.is(w.ports):
		t, err := policy.NewOnPorts(
			[]policy.Protocol{policy.TCP, policy.UDP, policy.SCTP}[w.r.IntN(3):][:w.r.IntN(2)],
			w.portSet(w.is(90)), w.portSet(w.is(w.sourcePorts)))
		if err != nil {
			w.t.Fatal(err)
		}
		return t
	case w.is(40):
		list := []policy.Protocol{policy.TCP, policy.UDP, policy.ICMP, policy.ICMPv6, policy.GRE, policy.ESP, 253}
		return policy.OfProtocols{Protocols: some(w.r, func() policy.Protocol { return list[w.r.IntN(len(list))] })}
	}
	return policy.AnyTraffic{}
}

func (w *randomWorld) portSet(asked bool) policy.PortSet {
	if !asked {
		return policy.PortSet{}
	}
	return policy.Ports(some(w.r, func() policy.PortRange {
		w.elements++
		p := w.port()
		if w.wide {
			return policy.PortRange{First: p, Last: w.port()}
		}
		return policy.PortRange{First: p, Last: max(p, p+uint16(w.r.IntN(4)*w.r.IntN(4)))}
	})...)
}

func (w *randomWorld) port() uint16 {
	if w.r.IntN(20) == 0 {
		return []uint16{0, 1, 65534, 65535}[w.r.IntN(4)]
	}
	return uint16(1000 + w.r.IntN(1500))
}
