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

// mostAtOnce is up to how many rules the table's are read all at once, where most are to be read: the kernel takes the square
// of the time then, as it goes over all of them for each piece; chain by chain it takes 15 µs for each.
const mostAtOnce = 150_000

// readRules reads the rules of chains as bytes: the nftables package would leave out what it does not know. A chain that is as
// it is known to be, by unread, is passed over.
func (s *socket) readRules(got *snapshot, but unread) error {
	var wanted []string
	for name := range got.Chains {
		if !but.chain(name) {
			wanted = append(wanted, name)
		}
	}
	if 2*len(wanted) > len(got.Chains) && but.rules <= mostAtOnce {
		return listing("rules", s.readChainsRules(got, but.chain, inTable()))
	}
	torn := false
	for _, name := range wanted {
		err := s.readChainsRules(got, but.chain, appendText(inTable(), unix.NFTA_RULE_CHAIN, name))
		if torn = torn || errors.Is(err, errTorn); err != nil && !errors.Is(err, errTorn) {
			return fmt.Errorf("list rules of chain %s: %w", name, err)
		}
	}
	if torn {
		return errTorn
	}
	return nil
}

// readChainsRules reads the rules of a chain, or of all, which come chain by chain.
func (s *socket) readChainsRules(got *snapshot, unread func(chain string) bool, which []byte) error {
	sum := sha256.New()
	var name string
	var state chainState
	passed := true
	end := func() {
		if !passed {
			state.Hash = hex.EncodeToString(sum.Sum(nil))
			got.Chains[name] = state
		}
	}
	var length [4]byte
	err := s.dump(unix.NFT_MSG_GETRULE, which, func(a []byte) error {
		chain := at(a, unix.NFTA_RULE_CHAIN)
		if n := len(chain) - 1; n < 0 || string(chain[:n]) != name {
			end()
			name = text(chain)
			var there bool
			state, there = got.Chains[name]
			// A chain that came after the list of chains was read tears the reading.
			passed = !there || unread(name)
			sum.Reset()
		}
		if passed {
			return nil
		}
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
				binary.BigEndian.PutUint32(length[:], uint32(len(value)))
				sum.Write(length[:])
				sum.Write(value)
				parts++
			}
		}
		length[0] = parts
		sum.Write(length[:1])
		state.Rules++
		return nil
	})
	// Also of what is torn, to be held against the next reading.
	end()
	return err
}
