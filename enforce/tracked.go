package enforce

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The question how many entries conntrack has, and the answer (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
const ctnetlink, ctGetStats, ctaStatsGlobalEntries = 1, 5, 1

// tracked counts conntrack's entries in the network namespace of the table; /proc would tell of the calling thread's. The
// conntrack package asks as if for a dump, which the kernel does not answer as one: the second time it waits for ever.
func (s *socket) tracked() (uint32, error) {
	replies, err := s.nl.Execute(netlink.Message{
		Header: netlink.Header{Type: ctnetlink<<8 | ctGetStats, Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return 0, fmt.Errorf("count conntrack's entries: %w", err)
	}
	for _, m := range replies {
		if len(m.Data) < 4 {
			continue
		}
		ad, err := netlink.NewAttributeDecoder(m.Data[4:])
		if err != nil {
			return 0, fmt.Errorf("count conntrack's entries: %w", err)
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			if ad.Type() == ctaStatsGlobalEntries {
				return ad.Uint32(), ad.Err()
			}
		}
	}
	return 0, errors.New("count conntrack's entries: the kernel gave no number")
}
