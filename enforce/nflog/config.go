package nflog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// linux/netfilter/nfnetlink_log.h, which golang.org/x/sys/unix leaves out.
const (
	msgConfig         = 1 // NFULNL_MSG_CONFIG
	attrCommand       = 1 // NFULA_CFG_CMD
	attrBufferSize    = 3 // NFULA_CFG_NLBUFSIZ
	commandBind       = 1 // NFULNL_CFG_CMD_BIND
	commandFamilyBind = 3 // NFULNL_CFG_CMD_PF_BIND
)

var (
	bindCommand       = netlink.Attribute{Type: attrCommand, Data: []byte{commandBind}}
	familyBindCommand = netlink.Attribute{Type: attrCommand, Data: []byte{commandFamilyBind}}

	// netlinkBufferSize is the most that the kernel takes, 128 KiB. It has to hold a batch, or the batch goes out early.
	netlinkBufferSize = netlink.Attribute{Type: attrBufferSize, Data: binary.BigEndian.AppendUint32(nil, 128<<10)}
)

// configMessage makes a request about the group; the kernel answers it only to refuse.
func configMessage(group uint16, attributes ...netlink.Attribute) netlink.Message {
	body, err := netlink.MarshalAttributes(attributes)
	if err != nil {
		panic(fmt.Sprintf("nflog: attributes of a few bytes do not fit: %v", err))
	}
	header := binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0}, group) // struct nfgenmsg
	return netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_ULOG<<8 | msgConfig, Flags: netlink.Request},
		Data:   slices.Concat(header, body),
	}
}

// repliesOnly is a socket filter that passes answers to requests (NLMSG_ERROR, in struct nlmsghdr's second field, in the
// machine's byte order) and drops packets.
var repliesOnly = func() []bpf.RawInstruction {
	var field [2]byte
	binary.NativeEndian.PutUint16(field[:], uint16(netlink.Error))
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(binary.BigEndian.Uint16(field[:])), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 18}, // the whole message
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		panic(fmt.Sprintf("nflog: socket filter: %v", err))
	}
	return program
}()

// diagnose finds out why the group could not be bound. The kernel says EPERM to whoever lacks CAP_NET_ADMIN and to whoever
// asks for another's group, and go-nflog gives its error as text; so two requests are made that tell the cases apart.
func (s *socket) diagnose(cause error) error {
	anybody, other := configMessage(0, familyBindCommand), configMessage(s.group)
	anybody.Header.Flags |= netlink.Acknowledge
	other.Header.Flags |= netlink.Acknowledge
	if _, err := s.lib.Con.Execute(anybody); errors.Is(err, unix.EPERM) {
		return fmt.Errorf("not permitted, CAP_NET_ADMIN is needed: %w", err)
	}
	if _, err := s.lib.Con.Execute(other); errors.Is(err, unix.EPERM) {
		return ErrGroupTaken
	}
	return cause
}

// refusal tells the kernel's answer to a request from a failure to receive.
func refusal(err error) (unix.Errno, bool) {
	var answer *netlink.OpError
	var errno unix.Errno
	if !errors.As(err, &answer) || answer.Sequence == 0 || !errors.As(err, &errno) {
		return 0, false
	}
	return errno, true
}
