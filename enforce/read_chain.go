package enforce

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

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
	err := s.dump(unix.NFT_MSG_GETRULE, inTable(), func(attributes []byte) error {
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
		err = fmt.Errorf("list rules: %w", err)
	}
	// Also of what is torn, to be held against the next reading.
	for name, h := range hashes {
		state := got.Chains[name]
		state.Hash = hex.EncodeToString(h.Sum(nil))
		got.Chains[name] = state
	}
	return err
}
