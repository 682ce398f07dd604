package enforce

import (
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// batch is a list of changes that the kernel makes all at once or not at all. The messages are written here and not by the
// nftables package, because its writer has every new rule sent back, which overruns the socket at some thousand rules,
// holds a set's elements several times in memory, and gives a set of times no type that nft can print. They are written as they
// are sent, one after the other: thousands of them in pieces keep the garbage collector busy.
type batch struct {
	buffer []byte
	// messages says of each what it is about.
	messages []subject
}

// subject is what a message is about, so that an error can name it.
type subject struct {
	verb, noun, name string
	index            int // from 1, of a rule in a chain; 0 for none
}

func (s subject) String() string {
	if s.index > 0 {
		return fmt.Sprintf("%s %s %s, rule %d", s.verb, s.noun, s.name, s.index)
	}
	return fmt.Sprintf("%s %s %s", s.verb, s.noun, s.name)
}

// add writes a message with attributes, the values of which are given in one piece or in several.
func (b *batch) add(kind int, flags netlink.HeaderFlags, s subject, attributes ...[]byte) {
	if len(b.buffer) == 0 {
		b.header(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	}
	at := len(b.buffer)
	b.messages = append(b.messages, s)
	b.header(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, unix.NFPROTO_INET, 0)
	for _, a := range attributes {
		b.buffer = append(b.buffer, a...)
	}
	binary.NativeEndian.PutUint32(b.buffer[at:], uint32(len(b.buffer)-at))
}

// header begins a message, which is numbered by its place.
func (b *batch) header(kind int, flags netlink.HeaderFlags, family, resource byte) {
	b.buffer = appendMessage(b.buffer, kind, flags, firstSequence+uint32(len(b.messages)), family, resource)
}

// appendMessage begins a message: struct nlmsghdr and struct nfgenmsg.
func appendMessage(b []byte, kind int, flags netlink.HeaderFlags, sequence uint32, family, resource byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, unix.NLMSG_HDRLEN+4)
	b = binary.NativeEndian.AppendUint16(b, uint16(kind))
	b = binary.NativeEndian.AppendUint16(b, uint16(netlink.Request|flags))
	b = binary.NativeEndian.AppendUint32(b, sequence)
	b = binary.NativeEndian.AppendUint32(b, 0)
	return append(b, family, unix.NFNETLINK_V0, 0, resource)
}

// inTable begins a message's attributes. NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_OBJ_TABLE and
// NFTA_SET_ELEM_LIST_TABLE are one number.
func inTable() []byte { return appendText(nil, unix.NFTA_CHAIN_TABLE, tableName) }

func (b *batch) addTable(flags uint32) {
	a := appendText(nil, unix.NFTA_TABLE_NAME, tableName)
	b.add(unix.NFT_MSG_NEWTABLE, netlink.Create, subject{verb: "add", noun: "table", name: tableName}, appendNumber(a, unix.NFTA_TABLE_FLAGS, flags))
}

func (b *batch) deleteTable() {
	b.add(unix.NFT_MSG_DELTABLE, 0, subject{verb: "delete", noun: "table", name: tableName}, appendText(nil, unix.NFTA_TABLE_NAME, tableName))
}

func (b *batch) deleteChain(name string) {
	b.add(unix.NFT_MSG_DELCHAIN, 0, subject{verb: "delete", noun: "chain", name: name}, appendText(inTable(), unix.NFTA_CHAIN_NAME, name))
}

func (b *batch) deleteSet(name string) {
	b.add(unix.NFT_MSG_DELSET, 0, subject{verb: "delete", noun: "set", name: name}, appendText(inTable(), unix.NFTA_SET_NAME, name))
}

// discardSet deletes a set, a map's elements first: until they are gone, kernels before 6.5 do not let go of the chains to
// which they lead.
func (b *batch) discardSet(name string, state setState) {
	if state.Leads {
		b.add(unix.NFT_MSG_DELSETELEM, 0, subject{verb: "delete", noun: "elements of map", name: name}, appendText(inTable(), unix.NFTA_SET_ELEM_LIST_SET, name))
	}
	b.deleteSet(name)
}

func (b *batch) deleteObject(o object) {
	a := appendText(inTable(), unix.NFTA_OBJ_NAME, o.name)
	b.add(unix.NFT_MSG_DELOBJ, 0, subject{verb: "delete", noun: "object", name: o.name}, appendNumber(a, unix.NFTA_OBJ_TYPE, o.kind))
}

func (b *batch) addCounter(name string) {
	a := appendText(inTable(), unix.NFTA_OBJ_NAME, name)
	a = appendNumber(a, unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	a = appendNest(a, unix.NFTA_OBJ_DATA, func(a []byte) []byte {
		return appendNumber64(appendNumber64(a, unix.NFTA_COUNTER_BYTES, 0), unix.NFTA_COUNTER_PACKETS, 0)
	})
	b.add(unix.NFT_MSG_NEWOBJ, netlink.Create, subject{verb: "add", noun: "counter", name: name}, a)
}

// hook is where a chain sees packets.
type hook struct {
	name     string
	number   uint32
	level    string // what nft calls the priority
	priority int32
}

// The priorities that pfw uses (NF_IP_PRI_RAW and NF_IP_PRI_FILTER in include/uapi/linux/netfilter_ipv4.h). Conntrack is at
// -200, fragments are put together at -400.
const priorityRaw, priorityFilter = -300, 0

// hook gives that of a chain at a hook (include/uapi/linux/netfilter.h has the numbers).
func (c *chain) hook() hook {
	if c.early {
		return hook{"prerouting", unix.NF_INET_PRE_ROUTING, "raw", priorityRaw}
	}
	h := hook{name: baseName(c.at), level: "filter", priority: priorityFilter}
	switch c.at {
	case policy.In:
		h.number = unix.NF_INET_LOCAL_IN
	case policy.Out:
		h.number = unix.NF_INET_LOCAL_OUT
	case policy.Forward:
		h.number = unix.NF_INET_FORWARD
	}
	return h
}

// policyOf is NF_DROP or NF_ACCEPT.
func policyOf(v verdict) uint32 {
	if v == drop {
		return 0
	}
	return 1
}

// addChain adds a chain, or changes the policy of one that is there. A new chain at a hook works at once, before its rules
// do; so it must be added with policy accept, and be given its own later in the batch, which counts when all of it does.
func (b *batch) addChain(c *chain, policy verdict) {
	a := appendText(inTable(), unix.NFTA_CHAIN_NAME, c.name)
	if c.at != 0 {
		a = appendNest(a, unix.NFTA_CHAIN_HOOK, func(a []byte) []byte {
			return appendNumber(appendNumber(a, unix.NFTA_HOOK_HOOKNUM, c.hook().number), unix.NFTA_HOOK_PRIORITY, uint32(c.hook().priority))
		})
		a = appendNumber(a, unix.NFTA_CHAIN_POLICY, policyOf(policy))
		a = appendText(a, unix.NFTA_CHAIN_TYPE, "filter")
	}
	b.add(unix.NFT_MSG_NEWCHAIN, netlink.Create, subject{verb: "add", noun: "chain", name: c.name}, a)
}

// addRules adds rules to the end of a chain, each as marshalRule writes it.
func (b *batch) addRules(chain string, rules [][]byte) {
	in := appendText(inTable(), unix.NFTA_RULE_CHAIN, chain)
	for i, r := range rules {
		b.add(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, subject{"add", "chain", chain, i + 1}, in, r)
	}
}

func (b *batch) flushChain(name string) {
	b.add(unix.NFT_MSG_DELRULE, 0, subject{verb: "delete", noun: "rules of chain", name: name}, appendText(inTable(), unix.NFTA_RULE_CHAIN, name))
}

// marshalRule writes a rule's expressions and its comment.
func marshalRule(r rule, kernelName func(string) string) ([]byte, error) {
	return appendRule(nil, r, kernelName)
}

// appendRule is marshalRule behind what a buffer holds. kernelName gives the name that a set bears in the kernel.
func appendRule(a []byte, r rule, kernelName func(string) string) ([]byte, error) {
	var failed error
	a = appendNest(a, unix.NFTA_RULE_EXPRESSIONS, func(a []byte) []byte {
		for _, s := range r.statements {
			for _, e := range s.exprs() {
				var err error
				if a, err = appendExpr(a, e, kernelName); err != nil {
					failed = err
				}
			}
		}
		return a
	})
	if r.comment != "" {
		a = appendAttribute(a, unix.NFTA_RULE_USERDATA, commentData(r.comment))
	}
	return a, failed
}
