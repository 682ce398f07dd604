package enforce

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

func (s *socket) readChains(got *snapshot) error {
	none := hex.EncodeToString(sha256.New().Sum(nil))
	return listing("chains", s.dump(unix.NFT_MSG_GETCHAIN, inTable(), func(a []byte) error {
		if text(at(a, unix.NFTA_CHAIN_TABLE)) != tableName {
			return nil
		}
		state := chainState{Hash: none}
		if hook := at(a, unix.NFTA_CHAIN_HOOK); hook != nil {
			policy := policyOf(accept)
			if p := at(a, unix.NFTA_CHAIN_POLICY); p != nil {
				policy = uint32(number(p))
			}
			state.Base = baseText(text(at(a, unix.NFTA_CHAIN_TYPE)), uint32(number(at(hook, unix.NFTA_HOOK_HOOKNUM))),
				int32(number(at(hook, unix.NFTA_HOOK_PRIORITY))), policy)
		}
		got.Chains[text(at(a, unix.NFTA_CHAIN_NAME))] = state
		return nil
	}))
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

// base describes a chain as the kernel will.
func (c *chain) base() string {
	if c.at == 0 {
		return ""
	}
	return baseText("filter", c.hook().number, c.hook().priority, policyOf(c.policy))
}

// readRules reads the rules of chains as bytes: the nftables package would leave out what it does not know. Chain by chain,
// as the kernel takes the square of the time for all at once. A chain that is as it is known to be, by unread, is passed over.
func (s *socket) readRules(got *snapshot, unread func(chain string) bool) error {
	torn := false
	for name, state := range got.Chains {
		if unread(name) {
			continue
		}
		err := s.readChainRules(name, &state)
		if torn = torn || errors.Is(err, errTorn); err != nil && !errors.Is(err, errTorn) {
			return fmt.Errorf("list rules of chain %s: %w", name, err)
		}
		got.Chains[name] = state
	}
	if torn {
		return errTorn
	}
	return nil
}

func (s *socket) readChainRules(name string, state *chainState) error {
	sum := sha256.New()
	err := s.dump(unix.NFT_MSG_GETRULE, appendText(inTable(), unix.NFTA_RULE_CHAIN, name), func(a []byte) error {
		parts := byte(0)
		for kind, value := range attributes(a) {
			switch kind {
			case unix.NFTA_RULE_HANDLE:
				handle := number(value)
				if state.Rules == 0 {
					state.oldest = handle
				}
				state.oldest, state.newest = min(state.oldest, handle), max(state.newest, handle)
			case unix.NFTA_RULE_EXPRESSIONS, unix.NFTA_RULE_USERDATA:
				// With their lengths, so that no two rules are one run of bytes.
				sum.Write(binary.BigEndian.AppendUint32(nil, uint32(len(value))))
				sum.Write(value)
				parts++
			}
		}
		sum.Write([]byte{parts})
		state.Rules++
		return nil
	})
	// Also of what is torn, to be held against the next reading.
	state.Hash = hex.EncodeToString(sum.Sum(nil))
	return err
}
