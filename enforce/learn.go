package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// ErrAddressesFull says that names which a rule asks for together have as many addresses as can be.
var ErrAddressesFull = errors.New("there is room for no more addresses of these names")

// Learn has rules take some addresses for those of names, for the time left to each. One that they take for such already
// stays the longer of the two times. Where there is no room for all, the error is ErrAddressesFull: those that are taken already are
// so, and of the others some may be.
func (t *Table) Learn(ctx context.Context, names policy.Domains, list []Resolved) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	// One may end between the look and the change.
	const tries = 3
	var err error
	for range tries {
		if err = t.learnOnce(ctx, names, list); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	if errors.Is(err, unix.ENFILE) {
		for _, r := range list {
			t.full[NameSet(names, familyOf(r.Address))] = time.Now().Add(fullTime)
		}
		err = t.learnOnce(ctx, names, list)
	}
	if errors.Is(err, ErrAddressesFull) {
		return fmt.Errorf("%w: there are %d of a family", ErrAddressesFull, Room(names))
	}
	return err
}

// fullTime is for how long nothing new is put into a set that had no room: to be refused takes the kernel a hundred times as long
// as to take something, and who owns a name could have it refuse all the time.
const fullTime = time.Second

func (t *Table) learnOnce(ctx context.Context, names policy.Domains, list []Resolved) error {
	var b batch
	// Deletions first: kernels before 6.12 give an element that is there no other end.
	verbs := []struct {
		verb string
		kind int
	}{{"delete", unix.NFT_MSG_DELSETELEM}, {"add", unix.NFT_MSG_NEWSETELEM}}
	wanted := map[netip.Addr]time.Duration{}
	there := map[netip.Addr]bool{}
	var full error
	for _, r := range list {
		if r.Left <= 0 {
			continue // it waited for long, and an element without a time would stay for ever
		}
		set := NameSet(names, familyOf(r.Address))
		left, ok, err := t.socket.stays(set, r.Address)
		if err != nil {
			return err
		}
		if !ok && time.Now().Before(t.full[set]) {
			full = ErrAddressesFull
			continue
		}
		if !ok || left < r.Left {
			wanted[r.Address], there[r.Address] = max(wanted[r.Address], r.Left), ok
		}
	}
	for _, v := range verbs {
		for _, f := range policy.Families {
			e := b.elementsOf(v.verb, v.kind, NameSet(names, f))
			for a, left := range wanted {
				switch {
				case familyOf(a) != f:
				case v.kind == unix.NFT_MSG_NEWSETELEM:
					e.add(element{key: a.AsSlice(), timeout: left})
				case there[a]:
					e.add(element{key: a.AsSlice()})
				}
			}
			e.flush()
		}
	}
	if len(b.messages) == 0 {
		return full
	}
	if err := t.change(ctx, &b); err != nil {
		return err
	}
	return full
}

// stays looks an address up in a set, and tells how long it is still there.
func (s *socket) stays(set string, a netip.Addr) (left time.Duration, ok bool, err error) {
	of := appendText(inTable(), unix.NFTA_SET_ELEM_LIST_SET, set)
	of = appendNest(of, unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(b []byte) []byte { return appendElement(b, element{key: a.AsSlice()}) })
	replies, err := s.nl.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSETELEM), Flags: netlink.Request},
		Data:   append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, of...),
	})
	switch {
	case errors.Is(err, unix.ENOENT):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("look %s up in set %s: %w", a, set, err)
	}
	for _, m := range replies {
		if len(m.Data) < 4 {
			continue
		}
		if e := at(at(m.Data[4:], unix.NFTA_SET_ELEM_LIST_ELEMENTS), unix.NFTA_LIST_ELEM); e != nil {
			return time.Duration(number(at(e, unix.NFTA_SET_ELEM_EXPIRATION))) * time.Millisecond, true, nil
		}
	}
	return 0, false, nil
}
