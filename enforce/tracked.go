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
// answer is read here, as the kernel announces more messages after it that never come, for which the netlink package waits.
func (s *socket) tracked() (uint32, error) {
	_, err := s.nl.Send(netlink.Message{
		Header: netlink.Header{Type: ctnetlink<<8 | ctGetStats, Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return 0, fmt.Errorf("count conntrack's entries: %w", err)
	}
	answer, err := s.receiveOne()
	if err != nil {
		return 0, fmt.Errorf("count conntrack's entries: %w", err)
	}
	n, err := parseTracked(answer)
	if err != nil {
		return 0, fmt.Errorf("count conntrack's entries: %w", err)
	}
	return n, nil
}

// receiveOne reads one datagram. The kernel has answered when the question is sent, so it does not wait.
func (s *socket) receiveOne() ([]byte, error) {
	raw, err := s.nl.SyscallConn()
	if err != nil {
		return nil, err
	}
	answer := make([]byte, 4096)
	var n int
	var received error
	err = raw.Control(func(fd uintptr) { n, _, received = unix.Recvfrom(int(fd), answer, unix.MSG_DONTWAIT) })
	if err = errors.Join(err, received); err != nil {
		return nil, err
	}
	return answer[:n], nil
}

// parseTracked reads struct nlmsghdr, struct nfgenmsg and attributes.
func parseTracked(answer []byte) (uint32, error) {
	const headers = unix.NLMSG_HDRLEN + 4
	if len(answer) < headers || binary.NativeEndian.Uint16(answer[4:]) != ctnetlink<<8|ctGetStats {
		return 0, errors.New("the kernel gave no number")
	}
	length := int(binary.NativeEndian.Uint32(answer))
	if length < headers || length > len(answer) {
		return 0, errors.New("the kernel's answer is cut short")
	}
	ad, err := netlink.NewAttributeDecoder(answer[headers:length])
	if err != nil {
		return 0, err
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		if ad.Type() == ctaStatsGlobalEntries {
			return ad.Uint32(), ad.Err()
		}
	}
	return 0, errors.Join(errors.New("the kernel gave no number"), ad.Err())
}
