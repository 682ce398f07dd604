package enforce

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// How long a connection stays in a set. One that was cut: as long as its ends may go on sending, which is up to half an
// hour for TCP on Linux (tcp_retries2 in the kernel's ip-sysctl.rst). One that is kept: as long as conntrack itself would
// remember it without a packet (nf_conntrack_tcp_timeout_established, nf_conntrack_udp_timeout_stream).
const (
	cutFor     = 30 * time.Minute
	keptForTCP = 5 * 24 * time.Hour
	keptForUDP = 2 * time.Minute
)

func stayOf(set string, p policy.Protocol) time.Duration {
	switch {
	case set == cutSet:
		return cutFor
	case p == policy.TCP:
		return keptForTCP
	}
	return keptForUDP
}

// openedMark is the comment on the entry for the way in which a connection was opened. The other is for the way back.
const openedMark = "opened"

// entry is an element of a set of tuples.
type entry struct {
	Tuple
	opened bool
}

// both gives the two entries of a connection.
func both(t Tuple) []entry { return []entry{{t, true}, {t.Reversed(), false}} }

// key is the tuple as nf_tables compares it: each part at a register of four bytes.
func (t Tuple) key() []byte {
	b := []byte{byte(t.Protocol), 0, 0, 0}
	for _, end := range []netip.AddrPort{t.Source, t.Destination} {
		b = append(b, end.Addr().AsSlice()...)
		b = append(binary.BigEndian.AppendUint16(b, end.Port()), 0, 0)
	}
	return b
}

// parseKey reads a key that entries found in a set of the family.
func parseKey(b []byte, f policy.Family) (Tuple, error) {
	size := 4
	if f == policy.IPv6 {
		size = 16
	}
	if len(b) != 4+2*(size+4) {
		return Tuple{}, fmt.Errorf("key of %d bytes", len(b))
	}
	ends := [2]netip.AddrPort{}
	for i := range ends {
		part := b[4+i*(size+4):]
		addr, _ := netip.AddrFromSlice(part[:size])
		ends[i] = netip.AddrPortFrom(addr, binary.BigEndian.Uint16(part[size:]))
	}
	return Tuple{policy.Protocol(b[0]), ends[0], ends[1]}, nil
}

// opened lists the connections whose packets a set holds, each as it was opened.
func (t *Table) opened(ctx context.Context, name string) ([]Tuple, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	entries, err := t.entries(ctx, name)
	if err != nil {
		return nil, err
	}
	var out []Tuple
	for _, e := range entries {
		if e.opened {
			out = append(out, e.Tuple)
		}
	}
	return out, nil
}

// entries reads both families' halves of a set.
func (t *Table) entries(ctx context.Context, set string) ([]entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []entry
	for _, f := range policy.Families {
		name := ofFamily(set, f)
		elements, err := t.socket.lib.GetSetElements(&nftables.Set{Table: inet, Name: name})
		if err != nil {
			return nil, fmt.Errorf("list elements of set %s: %w", name, err)
		}
		for _, e := range elements {
			tuple, err := parseKey(e.Key, f)
			if err != nil {
				return nil, fmt.Errorf("element of set %s: %w", name, err)
			}
			out = append(out, entry{tuple, e.Comment == openedMark})
		}
	}
	return out, nil
}

// enter puts connections into a set, or renews their stay.
func (t *Table) enter(ctx context.Context, set string, list []Tuple) error {
	return t.edit(ctx, set, list, true)
}

// leave takes connections out of a set. Those that are not in it are passed over.
func (t *Table) leave(ctx context.Context, set string, list []Tuple) error {
	return t.edit(ctx, set, list, false)
}

func (t *Table) edit(ctx context.Context, set string, list []Tuple, enter bool) error {
	var entries []entry
	for _, tuple := range list {
		if tuple.Protocol.HasPorts() {
			entries = append(entries, both(tuple)...)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	// An element may end by itself between the look and the change, which then fails as a whole.
	const tries = 3
	var err error
	for range tries {
		if err = t.editOnce(ctx, set, entries, enter); !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return err
}

func (t *Table) editOnce(ctx context.Context, set string, entries []entry, enter bool) error {
	there, err := t.entries(ctx, set)
	if err != nil {
		return err
	}
	present := map[Tuple]bool{}
	for _, e := range there {
		present[e.Tuple] = true
	}
	var b batch
	for _, f := range policy.Families {
		name := ofFamily(set, f)
		gone := b.elementsOf("delete", unix.NFT_MSG_DELSETELEM, name)
		done := map[Tuple]bool{}
		for _, e := range entries {
			if familyOf(e.Source.Addr()) == f && present[e.Tuple] && !done[e.Tuple] {
				done[e.Tuple] = true
				gone.add(element{key: e.key()})
			}
		}
		gone.flush()
	}
	for _, f := range policy.Families {
		name := ofFamily(set, f)
		added := b.elementsOf("add", unix.NFT_MSG_NEWSETELEM, name)
		done := map[Tuple]bool{}
		for _, e := range entries {
			if enter && familyOf(e.Source.Addr()) == f && !done[e.Tuple] {
				done[e.Tuple] = true
				added.add(element{key: e.key(), timeout: stayOf(set, e.Protocol), userData: e.userData()})
			}
		}
		added.flush()
	}
	if len(b.messages) == 0 {
		return nil
	}
	return t.change(ctx, &b)
}

func (e entry) userData() []byte {
	if !e.opened {
		return nil
	}
	return userdata.AppendString(nil, userdata.NFTNL_UDATA_SET_ELEM_COMMENT, openedMark)
}
