package enforce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// bans reads both families' sets. Not by the nftables package, which takes many times the memory: there may be a hundred
// thousand, and they are read every few seconds.
func (s *socket) bans() ([]Ban, error) {
	var out []Ban
	for _, f := range policy.Families {
		list, err := s.bansOf(f)
		if err != nil {
			return nil, fmt.Errorf("list elements of set %s: %w", ofFamily(bannedSet, f), err)
		}
		out = append(out, list...)
	}
	return out, nil
}

func (s *socket) bansOf(f policy.Family) (out []Ban, err error) {
	of := appendText(inTable(), unix.NFTA_SET_ELEM_LIST_SET, ofFamily(bannedSet, f))
	// One that is torn may have missed some, who then would be taken for gone.
	const tries = 10
	for range tries {
		out = out[:0]
		err = s.dump(unix.NFT_MSG_GETSETELEM, of, func(attributes []byte) (err error) {
			out, err = appendBans(out, attributes)
			return err
		})
		if !errors.Is(err, errTorn) {
			break
		}
	}
	return out, err
}

// ban looks one up.
func (s *socket) ban(remote netip.Prefix) (b Ban, ok bool, err error) {
	name := ofFamily(bannedSet, familyOf(remote.Addr()))
	of := appendText(inTable(), unix.NFTA_SET_ELEM_LIST_SET, name)
	of = appendNest(of, unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(a []byte) []byte {
		return appendElement(a, element{key: remote.Addr().AsSlice()})
	})
	replies, err := s.nl.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSETELEM), Flags: netlink.Request},
		Data:   append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, of...),
	})
	if errors.Is(err, unix.ENOENT) {
		// Also where there is no such set: nobody is banned then.
		return Ban{}, false, nil
	}
	var found []Ban
	for _, m := range replies {
		if err == nil && len(m.Data) >= 4 {
			found, err = appendBans(found, m.Data[4:])
		}
	}
	switch {
	case err != nil:
		return Ban{}, false, fmt.Errorf("look %s up in set %s: %w", remote, name, err)
	case len(found) != 1 || found[0].Remote != remote:
		return Ban{}, false, fmt.Errorf("look %s up in set %s: the kernel answers %v", remote, name, found)
	}
	return found[0], true, nil
}

// appendBans reads one message of a dump of elements.
func appendBans(out []Ban, attributes []byte) ([]Ban, error) {
	ad, err := bigEndian(attributes)
	if err != nil {
		return out, err
	}
	for ad.Next() {
		if ad.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		list, err := bigEndian(ad.Bytes())
		if err != nil {
			return out, err
		}
		for list.Next() {
			b, err := parseBan(list.Bytes())
			if err != nil {
				return out, err
			}
			// Somebody else may have put an address there that is no /64's: it bans nobody.
			if b.Remote == b.Remote.Masked() {
				out = append(out, b)
			}
		}
		if err := list.Err(); err != nil {
			return out, err
		}
	}
	return out, ad.Err()
}

func parseBan(attributes []byte) (b Ban, err error) {
	ad, err := bigEndian(attributes)
	if err != nil {
		return Ban{}, err
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_SET_ELEM_KEY:
			// struct nlattr of NFTA_DATA_VALUE, then the address.
			if data := ad.Bytes(); len(data) > unix.SizeofNlAttr {
				if a, ok := netip.AddrFromSlice(data[unix.SizeofNlAttr:]); ok {
					b.Remote = netip.PrefixFrom(a, Remote(a).Bits())
				}
			}
		case unix.NFTA_SET_ELEM_EXPIRATION:
			// A jiffy at least, as 0 would be without end.
			b.Left = max(time.Duration(ad.Uint64())*time.Millisecond, time.Millisecond)
		}
	}
	if err := ad.Err(); err != nil {
		return Ban{}, err
	}
	if !b.Remote.IsValid() {
		return Ban{}, errors.New("the kernel sent an element without an address")
	}
	return b, nil
}

func bigEndian(attributes []byte) (*netlink.AttributeDecoder, error) {
	ad, err := netlink.NewAttributeDecoder(attributes)
	if err == nil {
		ad.ByteOrder = binary.BigEndian
	}
	return ad, err
}
