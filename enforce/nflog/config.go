package nflog

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// linux/netfilter/nfnetlink_log.h, which golang.org/x/sys/unix leaves out.
const (
	msgPacket = 0 // NFULNL_MSG_PACKET
	msgConfig = 1 // NFULNL_MSG_CONFIG

	attrCommand    = 1 // NFULA_CFG_CMD
	attrMode       = 2 // NFULA_CFG_MODE
	attrBufferSize = 3 // NFULA_CFG_NLBUFSIZ
	attrTimeout    = 4 // NFULA_CFG_TIMEOUT, hundredths of a second
	attrThreshold  = 5 // NFULA_CFG_QTHRESH
	attrFlags      = 6 // NFULA_CFG_FLAGS

	commandBind       = 1 // NFULNL_CFG_CMD_BIND
	commandFamilyBind = 3 // NFULNL_CFG_CMD_PF_BIND
	copyPacket        = 2 // NFULNL_COPY_PACKET
	flagSequence      = 1 // NFULNL_CFG_F_SEQ
)

// 64 messages or 10 ms, whichever comes first, share one datagram: whoever asks who sent a packet must ask while the sender is
// there. It is never larger than the kernel's buffer of at most 128 KiB, which has to hold a batch, or the batch goes out early.
const (
	copyRange      = 128 // bytes of each packet: IPv6, some extension headers, and the start of the quoted packet
	queueThreshold = 64
	queueTimeout   = 1
	kernelBuffer   = 128 << 10
	datagramSize   = 2 * kernelBuffer
)

// attribute is one piece of a request.
type attribute struct {
	kind uint16
	data []byte
}

var (
	bindFamily = attribute{attrCommand, []byte{commandFamilyBind}}
	bindGroup  = attribute{attrCommand, []byte{commandBind}}
)

// service is how a group is to be served: how many bytes of each packet are copied, and for how many packets the kernel waits
// before it hands them over.
type service struct{ copy, queue uint32 }

var (
	headers = service{copyRange, queueThreshold}
	// whole packets are few, and what is in them is wanted at once.
	whole = service{16 << 10, 1}
)

// attributes are the command that binds a group, and how it is served.
func (s service) attributes() []attribute {
	return []attribute{
		bindGroup,
		{attrMode, append(number(s.copy), copyPacket, 0)}, // struct nfulnl_msg_config_mode
		{attrBufferSize, number(kernelBuffer)},
		{attrTimeout, number(queueTimeout)},
		{attrThreshold, number(s.queue)},
		{attrFlags, binary.BigEndian.AppendUint16(nil, flagSequence)},
	}
}

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// request makes a request about the group. Without NLM_F_ACK among the flags the kernel answers it only to refuse.
func request(group uint16, flags uint16, attributes []attribute) []byte {
	b := make([]byte, messageHeader, 128)
	b = append(b, unix.AF_UNSPEC, unix.NFNETLINK_V0)
	b = binary.BigEndian.AppendUint16(b, group) // struct nfgenmsg
	for _, a := range attributes {
		b = binary.NativeEndian.AppendUint16(b, uint16(attributeHeader+len(a.data)))
		b = binary.NativeEndian.AppendUint16(b, a.kind)
		b = append(b, a.data...)
		b = append(b, make([]byte, align(len(b))-len(b))...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NFNL_SUBSYS_ULOG<<8|msgConfig)
	binary.NativeEndian.PutUint16(b[6:], flags)
	return b
}

// repliesOnly is a socket filter that passes answers to requests (NLMSG_ERROR, in struct nlmsghdr's second field, in the
// machine's byte order) and drops packets.
func repliesOnly() *unix.SockFprog {
	var field [2]byte
	binary.NativeEndian.PutUint16(field[:], unix.NLMSG_ERROR)
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(binary.BigEndian.Uint16(field[:])), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 18}, // the whole message
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
}
