package enforce

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// Knock is a port that a remote was refused.
type Knock struct {
	Protocol policy.Protocol
	Port     uint16
}

// Knocks lists the ports that remotes were refused within the window of the port scan detector, in no order.
func (t *Table) Knocks(ctx context.Context, remotes map[netip.Prefix]bool) (map[netip.Prefix][]Knock, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := map[netip.Prefix][]Knock{}
	for _, f := range policy.Families {
		name := ofFamily(knockedSet, f)
		bytes := 4
		if f == policy.IPv6 {
			bytes = 16
		}
		err := t.socket.dump(unix.NFT_MSG_GETSETELEM, appendText(inTable(), unix.NFTA_SET_ELEM_LIST_SET, name), func(a []byte) error {
			for _, e := range attributes(at(a, unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
				key := at(at(e, unix.NFTA_SET_ELEM_KEY), unix.NFTA_DATA_VALUE)
				if len(key) != bytes+8 {
					continue
				}
				addr, _ := netip.AddrFromSlice(key[:bytes])
				if remote := netip.PrefixFrom(addr, Remote(addr).Bits()); remotes[remote] {
					out[remote] = append(out[remote], Knock{policy.Protocol(key[bytes]), binary.BigEndian.Uint16(key[bytes+4:])})
				}
			}
			return nil
		})
		// One that is torn may have missed some; there is no set where nothing is detected any more.
		if err != nil && !errors.Is(err, errTorn) && !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("list elements of set %s: %w", name, err)
		}
	}
	return out, nil
}

// Of ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h) and of conntrack's TCP (nf_conntrack_tcp.h).
const (
	ctGet                             = 1
	ctaTupleOrig, ctaTupleIP          = 1, 1
	ctaIPv4Source, ctaIPv6Source      = 1, 3
	ctaProtoInfo, ctaTCP, ctaTCPState = 4, 1, 1
	ctaFilter, ctaFilterOrig          = 25, 1
	filterSource                      = 1 << 0
	tcpSynSent, tcpSynRecv            = 1, 2
)

// HalfOpen counts the TCP connections that a remote has begun and not completed.
func (t *Table) HalfOpen(ctx context.Context, remote netip.Prefix) (n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var which []byte
	family, source := byte(unix.AF_INET6), uint16(ctaIPv6Source)
	if remote.IsSingleIP() && remote.Addr().Is4() {
		family, source = unix.AF_INET, ctaIPv4Source
		// Kernels since 5.8 give those of the address alone; others give all, which are looked through here.
		which = appendNest(which, ctaTupleOrig, func(b []byte) []byte {
			return appendNest(b, ctaTupleIP, func(b []byte) []byte { return appendAttribute(b, source, remote.Addr().AsSlice()) })
		})
		which = appendNest(which, ctaFilter, func(b []byte) []byte {
			return appendAttribute(b, ctaFilterOrig, binary.NativeEndian.AppendUint32(nil, filterSource))
		})
	}
	err = t.socket.dumpOf(ctnetlink<<8|ctGet, family, which, func(a []byte) error {
		addr, ok := netip.AddrFromSlice(at(at(at(a, ctaTupleOrig), ctaTupleIP), source))
		if !ok || !remote.Contains(addr) {
			return nil
		}
		if state := at(at(at(a, ctaProtoInfo), ctaTCP), ctaTCPState); len(state) == 1 && (state[0] == tcpSynSent || state[0] == tcpSynRecv) {
			n++
		}
		return nil
	})
	if err != nil && !errors.Is(err, errTorn) {
		return 0, fmt.Errorf("list conntrack's entries of %s: %w", remote, err)
	}
	return n, nil
}
