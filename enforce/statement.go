package enforce

import (
	"fmt"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// statement is one part of a rule. Its two forms, the words of a script and the expressions of netlink, stand side by
// side in one type, so that they do not drift apart: a test loads both and compares what the kernel made of them.
type statement interface {
	text() string
	exprs() []expr.Any
}

// register is where a value is loaded to be compared. One is enough: no statement hands a value on to the next.
const register = 1

// familyIs guards what only one family has.
type familyIs struct{ family policy.Family }

func (s familyIs) text() string {
	if s.family == policy.IPv4 {
		return "meta nfproto ipv4"
	}
	return "meta nfproto ipv6"
}

func (s familyIs) exprs() []expr.Any {
	value := byte(unix.NFPROTO_IPV4)
	if s.family == policy.IPv6 {
		value = unix.NFPROTO_IPV6
	}
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register}, equals(value)}
}

// impliedFamily is familyIs where the packets are known to be of the family. It stands before what reads an address, as nft
// has it there by itself without a word: without it, nft does not know what is read, and lists a place in the packet.
type impliedFamily struct{ family policy.Family }

func (s impliedFamily) text() string { return "" }

func (s impliedFamily) exprs() []expr.Any { return familyIs(s).exprs() }

// protocolIs guards what only one protocol's header has. In IPv6 it is the protocol behind the extension headers.
type protocolIs struct{ protocol policy.Protocol }

func (s protocolIs) text() string { return "meta l4proto " + protocolText(s.protocol) }

// protocolText spells a protocol for nft: of the words that it shares with policy this is the one that it looks up in
// /etc/protocols, which a small system lacks.
func protocolText(p policy.Protocol) string {
	if p == policy.GRE {
		return fmt.Sprint(uint8(p))
	}
	return p.String()
}

func (s protocolIs) exprs() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, equals(byte(s.protocol))}
}

// impliedProtocol is the like of protocolIs.
type impliedProtocol struct{ protocol policy.Protocol }

func (s impliedProtocol) text() string { return "" }

func (s impliedProtocol) exprs() []expr.Any { return protocolIs(s).exprs() }

// hookSide says which interface is meant. The zero value is invalid.
type hookSide uint8

const (
	_ hookSide = iota
	entering
	leaving
)

// interfaceIs compares an interface's name, or its beginning.
type interfaceIs struct {
	side  hookSide
	not   bool
	iface policy.Interface
}

func (s interfaceIs) text() string {
	word := "iifname"
	if s.side == leaving {
		word = "oifname"
	}
	name, prefix := comparedName(s.iface)
	if prefix {
		name += "*"
	}
	return fmt.Sprintf("%s %s\"%s\"", word, negation(s.not), name)
}

// comparedName gives what is compared. The beginning of a name that is as long as any name can be is the name, and to nft a
// string with a '*' after it would be too long.
func comparedName(i policy.Interface) (name string, prefix bool) {
	name, prefix = i.Name()
	return name, prefix && len(name) < unix.IFNAMSIZ-1
}

func (s interfaceIs) exprs() []expr.Any {
	key := expr.MetaKeyIIFNAME
	if s.side == leaving {
		key = expr.MetaKeyOIFNAME
	}
	name, prefix := comparedName(s.iface)
	data := []byte(name)
	if !prefix {
		// A whole name is compared in all of its 16 bytes, a beginning in its own length.
		data = append(data, make([]byte, unix.IFNAMSIZ-len(name))...)
	}
	compare := equals(data...)
	if s.not {
		compare = differs(data...)
	}
	return []expr.Any{&expr.Meta{Key: key, Register: register}, compare}
}

// ownerIs compares the user or the group of the socket that sends.
type ownerIs struct {
	group bool
	id    uint32
}

func (s ownerIs) text() string { return fmt.Sprintf("%s %d", ownerWord(s.group), s.id) }

func (s ownerIs) exprs() []expr.Any {
	// Accounts are numbers in the machine's own byte order.
	return []expr.Any{ownerLoad(s.group), equals(binaryutil.NativeEndian.PutUint32(s.id)...)}
}

func ownerWord(group bool) string {
	if group {
		return "meta skgid"
	}
	return "meta skuid"
}

func ownerLoad(group bool) expr.Any {
	if group {
		return &expr.Meta{Key: expr.MetaKeySKGID, Register: register}
	}
	return &expr.Meta{Key: expr.MetaKeySKUID, Register: register}
}

func equals(data ...byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data}
}

func differs(data ...byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: data}
}

func inSet(name string, not bool) expr.Any {
	return &expr.Lookup{SourceRegister: register, SetName: name, Invert: not}
}

// negation is how nft spells "not" before a value.
func negation(not bool) string {
	if not {
		return "!= "
	}
	return ""
}
