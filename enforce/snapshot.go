package enforce

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// snapshot is the table as it is in the kernel, as far as it can be compared.
type snapshot struct {
	Generation uint32                `json:"generation"`
	Chains     map[string]chainState `json:"chains"`
	Sets       map[string]setState   `json:"sets"`

	asleep   bool
	counters map[string]Counter
}

type chainState struct {
	// Base is the hook, priority, type and policy in words, "" for a chain at no hook.
	Base  string `json:"base,omitempty"`
	Rules int    `json:"rules"`
	// Hash is of the rules as the kernel writes them out, in order.
	Hash string `json:"hash"`
	// oldest is the lowest handle of its rules: handles rise and are never given twice.
	oldest uint64
	newest uint64
}

type setState struct {
	// Shape is the type of the keys, the flags and the size in words.
	Shape string `json:"shape"`
	// Holds names the contents that were loaded into the set, and Count how many spans they have. Empty of a dynamic set.
	Holds string `json:"holds,omitempty"`
	Count int    `json:"count,omitempty"`
	// Hash is of the elements, "" of a set that is dynamic or too big to be read back.
	Hash string `json:"hash,omitempty"`

	// anonymous sets belong to one rule and go with it.
	anonymous bool
}

// readBack is up to how many elements of a set are read from the kernel. Reading an interval set takes the square of
// its size: minutes for a million.
const readBack = 4096

// errTorn says that the ruleset changed while it was read.
var errTorn = errors.New("the ruleset changed while it was read")

// read takes a snapshot; nil where there is no table. counts tells how many elements a set has at most, 0 for one that is
// not to be read.
func (s *socket) read(ctx context.Context, counts func(set string) int) (*snapshot, error) {
	const tries = 10
	for range tries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, err := s.readOnce(counts)
		if !errors.Is(err, errTorn) {
			return got, err
		}
	}
	return nil, fmt.Errorf("read table %s: %w, %d times", tableName, errTorn, tries)
}

func (s *socket) readOnce(counts func(set string) int) (*snapshot, error) {
	before, err := s.generation()
	if err != nil {
		return nil, err
	}
	got := &snapshot{Generation: before, Chains: map[string]chainState{}, Sets: map[string]setState{}, counters: map[string]Counter{}}
	table, err := s.table()
	if table == nil || err != nil {
		return nil, err
	}
	got.asleep = table.Flags&nftables.TableFlagDormant != 0
	for _, part := range []func(*snapshot) error{
		s.readChains, s.readRules, s.readCounters,
		func(got *snapshot) error { return s.readSets(got, counts) },
	} {
		if err := part(got); err != nil {
			return nil, fmt.Errorf("read table %s: %w", tableName, err)
		}
	}
	after, err := s.generation()
	if err == nil && after != before {
		err = errTorn
	}
	return got, err
}

var inet = &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}

// table finds pfw's table; nil where there is none.
func (s *socket) table() (*nftables.Table, error) {
	t, err := s.lib.ListTableOfFamily(tableName, nftables.TableFamilyINet)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for table %s: %w", tableName, err)
	}
	return t, nil
}

func (s *socket) readChains(got *snapshot) error {
	chains, err := s.lib.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		if c.Table.Name != tableName {
			continue
		}
		state := chainState{Hash: hex.EncodeToString(sha256.New().Sum(nil))}
		if c.Hooknum != nil {
			state.Base = baseText(string(c.Type), uint32(*c.Hooknum), int32(*c.Priority), policyNumber(c.Policy))
		}
		got.Chains[c.Name] = state
	}
	return nil
}

// baseText describes a chain at a hook, the policy last.
func baseText(kind string, hook uint32, priority int32, policy uint32) string {
	names := map[uint32]string{unix.NF_INET_PRE_ROUTING: "prerouting", unix.NF_INET_LOCAL_IN: "input", unix.NF_INET_FORWARD: "forward",
		unix.NF_INET_LOCAL_OUT: "output", unix.NF_INET_POST_ROUTING: "postrouting"}
	verdict := "drop"
	if policy == policyOf(accept) {
		verdict = "accept"
	}
	return fmt.Sprintf("%s hook %s priority %d, policy %s", kind, names[hook], priority, verdict)
}

// sameHook tells whether two chains differ in their policy at most, which can be changed in place.
func sameHook(a, b string) bool {
	hookA, _, _ := strings.Cut(a, ",")
	hookB, _, _ := strings.Cut(b, ",")
	return hookA == hookB
}

func policyNumber(p *nftables.ChainPolicy) uint32 {
	if p == nil {
		return policyOf(accept)
	}
	return uint32(*p)
}

// base describes a chain as the kernel will.
func (c *chain) base() string {
	if c.at == 0 {
		return ""
	}
	return baseText("filter", hookOf(c.at), priorityFilter, policyOf(c.policy))
}

// readRules reads the rules of all chains as bytes: the nftables package would leave out what it does not know.
func (s *socket) readRules(got *snapshot) error {
	hashes := map[string]hash.Hash{}
	err := s.dump(unix.NFT_MSG_GETRULE, func(attributes []byte) error {
		var chain string
		var handle uint64
		var body [][]byte
		ad, err := netlink.NewAttributeDecoder(attributes)
		if err != nil {
			return err
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_RULE_CHAIN:
				chain = ad.String()
			case unix.NFTA_RULE_HANDLE:
				handle = ad.Uint64()
			case unix.NFTA_RULE_EXPRESSIONS, unix.NFTA_RULE_USERDATA:
				body = append(body, ad.Bytes())
			}
		}
		if ad.Err() != nil {
			return ad.Err()
		}
		state := got.Chains[chain]
		if hashes[chain] == nil {
			hashes[chain] = sha256.New()
			state.oldest = handle
		}
		for _, part := range body {
			// With their lengths, so that no two rules are one run of bytes.
			hashes[chain].Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
			hashes[chain].Write(part)
		}
		hashes[chain].Write([]byte{byte(len(body))})
		state.Rules++
		state.oldest, state.newest = min(state.oldest, handle), max(state.newest, handle)
		got.Chains[chain] = state
		return nil
	})
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	for name, h := range hashes {
		state := got.Chains[name]
		state.Hash = hex.EncodeToString(h.Sum(nil))
		got.Chains[name] = state
	}
	return nil
}

// dump reads all objects of a kind in the table and gives their attributes.
func (s *socket) dump(kind int, each func(attributes []byte) error) error {
	replies, err := s.nl.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind), Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, inTable()...),
	})
	if err != nil {
		return err
	}
	for _, m := range replies {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return errTorn
		}
		if len(m.Data) < 4 {
			return errors.New("the kernel sent a short message")
		}
		if err := each(m.Data[4:]); err != nil {
			return err
		}
	}
	return nil
}

func (s *socket) readCounters(got *snapshot) error {
	return s.dump(unix.NFT_MSG_GETOBJ, func(attributes []byte) error {
		var name string
		var kind uint32
		var value Counter
		ad, err := netlink.NewAttributeDecoder(attributes)
		if err != nil {
			return err
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_OBJ_NAME:
				name = ad.String()
			case unix.NFTA_OBJ_TYPE:
				kind = ad.Uint32()
			case unix.NFTA_OBJ_DATA:
				ad.Nested(func(in *netlink.AttributeDecoder) error {
					for in.Next() {
						switch in.Type() {
						case unix.NFTA_COUNTER_BYTES:
							value.Bytes = in.Uint64()
						case unix.NFTA_COUNTER_PACKETS:
							value.Packets = in.Uint64()
						}
					}
					return nil
				})
			}
		}
		if kind == unix.NFT_OBJECT_COUNTER {
			got.counters[name] = value
		}
		return ad.Err()
	})
}

// readSets does not leave it to the nftables package, which gives up at a set of a type that it does not know.
func (s *socket) readSets(got *snapshot, counts func(set string) int) error {
	err := s.dump(unix.NFT_MSG_GETSET, func(attributes []byte) error {
		var name string
		var magic, bytes, flags, size uint32
		ad, err := netlink.NewAttributeDecoder(attributes)
		if err != nil {
			return err
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_SET_NAME:
				name = ad.String()
			case unix.NFTA_SET_KEY_TYPE:
				magic = ad.Uint32()
			case unix.NFTA_SET_KEY_LEN:
				bytes = ad.Uint32()
			case unix.NFTA_SET_FLAGS:
				flags = ad.Uint32()
			case unix.NFTA_SET_DESC:
				ad.Nested(func(in *netlink.AttributeDecoder) error {
					for in.Next() {
						if in.Type() == unix.NFTA_SET_DESC_SIZE {
							size = in.Uint32()
						}
					}
					return nil
				})
			}
		}
		got.Sets[name] = setState{Shape: shapeText(magic, bytes, flags, size), anonymous: flags&unix.NFT_SET_ANONYMOUS != 0}
		return ad.Err()
	})
	if err != nil {
		return fmt.Errorf("list sets: %w", err)
	}
	for name, state := range got.Sets {
		if n := counts(name); n < 1 || n > readBack {
			continue
		}
		elements, err := s.lib.GetSetElements(&nftables.Set{Table: inet, Name: name})
		if err != nil {
			return fmt.Errorf("list elements of set %s: %w", name, err)
		}
		lines := make([]string, len(elements))
		for i, e := range elements {
			lines[i] = elementText(e.Key, e.IntervalEnd)
		}
		state.Hash = elementsHash(lines)
		got.Sets[name] = state
	}
	return nil
}

func shapeText(magic, bytes, flags, size uint32) string {
	return fmt.Sprintf("type %#x of %d bytes, flags %#x, size %d", magic, bytes, flags, size)
}

// shape describes a set as the kernel will.
func (s *set) shape() string {
	return shapeText(s.kind.datatype.GetNFTMagic(), uint32(s.kind.bytes), s.flags(), s.size)
}

func elementText(value []byte, end bool) string {
	if end {
		return hex.EncodeToString(value) + " end"
	}
	return hex.EncodeToString(value)
}

// elementsHash does not depend on the order, as the kernel keeps none in a hash.
func elementsHash(lines []string) string {
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// hash is what reading the set back must give, "" where it is not read back.
func (s *set) hash() string {
	if s.dynamic || s.count > readBack {
		return ""
	}
	var lines []string
	for e := range s.spans {
		lines = append(lines, elementText(e.first[:s.kind.bytes], false))
		if after, ok := next(e.last[:s.kind.bytes]); ok && s.kind.interval {
			lines = append(lines, elementText(after, true))
		}
	}
	return elementsHash(lines)
}
