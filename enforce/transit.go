package enforce

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The kernel's settings of an interface, or of all (include/uapi/linux/netconf.h). Any of these but 0 lets packets be passed on;
// one for new interfaces is taken for one that there will be.
const (
	netconfForwarding      = 2
	netconfMulticast       = 4
	netconfBroadcast       = 8
	netconfForceForwarding = 9
)

var passesOn = []uint16{netconfForwarding, netconfMulticast, netconfBroadcast, netconfForceForwarding}

// transit asks and is told what a network namespace passes on. Its connections are of the namespace that they were opened
// in, where /proc would show the calling thread's.
type transit struct{ ask, told *netlink.Conn }

// The groups of messages about interfaces and their settings (include/uapi/linux/rtnetlink.h).
const transitGroups = 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_NETCONF-1) | 1<<(unix.RTNLGRP_IPV6_NETCONF-1)

func dialTransit() (*transit, error) {
	ask, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to routing: %w", err)
	}
	told, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: transitGroups})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe to interfaces: %w", err), ask.Close())
	}
	return &transit{ask, told}, nil
}

func (t *transit) close() error { return errors.Join(t.ask.Close(), t.told.Close()) }

// EndsHere tells whether all packets that come into the table's network namespace are for this machine: nothing is forwarded,
// and there is no bridge, whose packets for others br_netfilter may show to prerouting.
func (t *Table) EndsHere() (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		passes, err := t.transit.forwards(family)
		if passes || err != nil {
			return false, err
		}
	}
	bridges, err := t.transit.bridges()
	return !bridges && err == nil, err
}

func (t *transit) forwards(family byte) (bool, error) {
	// struct netconfmsg, padded.
	answers, err := t.dump(unix.RTM_GETNETCONF, []byte{family, 0, 0, 0})
	if errors.Is(err, unix.EOPNOTSUPP) && family == unix.AF_INET6 {
		return false, nil // the kernel has no IPv6
	}
	if err != nil {
		return false, fmt.Errorf("read what is forwarded: %w", err)
	}
	for _, m := range answers {
		if len(m.Data) < 4 || m.Header.Type != unix.RTM_NEWNETCONF {
			return false, errors.New("read what is forwarded: the kernel sent something else")
		}
		for kind, value := range attributes(m.Data[4:]) {
			if slices.Contains(passesOn, kind) && len(value) == 4 && binary.NativeEndian.Uint32(value) != 0 {
				return true, nil
			}
		}
	}
	if len(answers) == 0 && family == unix.AF_INET {
		return false, errors.New("read what is forwarded: the kernel says nothing")
	}
	return false, nil
}

func (t *transit) bridges() (bool, error) {
	// struct ifinfomsg.
	answers, err := t.dump(unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg))
	if err != nil {
		return false, fmt.Errorf("list interfaces: %w", err)
	}
	for _, m := range answers {
		if len(m.Data) >= unix.SizeofIfInfomsg && text(at(at(m.Data[unix.SizeofIfInfomsg:], unix.IFLA_LINKINFO), unix.IFLA_INFO_KIND)) == "bridge" {
			return true, nil
		}
	}
	return false, nil
}

func (t *transit) dump(kind int, which []byte) ([]netlink.Message, error) {
	return t.ask.Execute(netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | netlink.Dump}, Data: which})
}

// WatchEndsHere calls changed whenever EndsHere may have another answer, until ctx ends.
func (t *Table) WatchEndsHere(ctx context.Context, changed func()) error {
	told := t.transit.told
	defer context.AfterFunc(ctx, func() { _ = told.SetReadDeadline(time.Now()) })()
	for {
		_, err := told.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, unix.ENOBUFS): // which says that some were lost
			return fmt.Errorf("hear of interfaces: %w", err)
		}
		changed()
	}
}
