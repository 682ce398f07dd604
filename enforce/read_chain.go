package enforce

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func (s *socket) readChains(got *snapshot) error {
	return listing("chains", s.dump(unix.NFT_MSG_GETCHAIN, inTable(), func(a []byte) error {
		if text(at(a, unix.NFTA_CHAIN_TABLE)) != tableName {
			return nil
		}
		state := chainState{}
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
// of the time then, as it goes over all of them for each piece; chain by chain it takes 20 µs for each.
const mostAtOnce = 20_000

// readRules reads the rules of chains. A chain that is as it is known to be, by unread, is passed over.
func (s *socket) readRules(got *snapshot, but unread) error {
	torn, err := s.countRules(got, but.made)
	if err != nil {
		return err
	}
	var wanted []string
	for name := range got.Chains {
		if !but.chain(name) && got.Chains[name].Handles == "" {
			wanted = append(wanted, name)
		}
	}
	if 2*len(wanted) > len(got.Chains) && but.rules <= mostAtOnce {
		return listing("rules", s.readChainsRules(got, but.chain, inTable()))
	}
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

// countRules finds the handles of rules that were just made, chain after chain: the kernel counts them up. So where the first
// chain has what is to be the first handles, and the last chain the last, all between have theirs. Where it is otherwise, as
// somebody else made some meanwhile, nothing is found.
func (s *socket) countRules(got *snapshot, made [][]*plannedChain) (torn bool, err error) {
	const few = 4 // are read as soon
	none := func(string) bool { return false }
	for _, list := range made {
		list = slices.DeleteFunc(slices.Clone(list), func(c *plannedChain) bool { return len(c.chain.rules) == 0 })
		if len(list) <= few {
			continue
		}
		for _, c := range []*plannedChain{list[0], list[len(list)-1]} {
			err := s.readChainsRules(got, none, appendText(inTable(), unix.NFTA_RULE_CHAIN, c.name))
			if torn = torn || errors.Is(err, errTorn); err != nil && !errors.Is(err, errTorn) {
				return torn, fmt.Errorf("list rules of chain %s: %w", c.name, err)
			}
		}
		first, last := got.Chains[list[0].name], got.Chains[list[len(list)-1].name]
		n := uint64(0)
		for _, c := range list {
			n += uint64(len(c.chain.rules))
		}
		if first.Rules != len(list[0].chain.rules) || last.newest-first.oldest != n-1 {
			continue
		}
		next := first.oldest
		for _, c := range list {
			state := got.Chains[c.name]
			state.Rules = len(c.chain.rules)
			state.oldest, state.newest = next, next+uint64(state.Rules)-1
			state.Handles = runOfHandles(state.oldest, state.newest)
			got.Chains[c.name] = state
			next = state.newest + 1
		}
	}
	return torn, nil
}

func runOfHandles(first, last uint64) string { return fmt.Sprintf("%d-%d", first, last) }

// readChainsRules reads the handles of the rules of a chain, or of all, which come chain by chain.
func (s *socket) readChainsRules(got *snapshot, unread func(chain string) bool, which []byte) error {
	var name string
	var state chainState
	var handles []uint64
	passed := true
	end := func() {
		if !passed {
			state.hold(handles)
			got.Chains[name] = state
		}
	}
	err := s.dump(unix.NFT_MSG_GETRULE, which, func(a []byte) error {
		chain := at(a, unix.NFTA_RULE_CHAIN)
		if n := len(chain) - 1; n < 0 || string(chain[:n]) != name {
			end()
			name, handles = text(chain), handles[:0]
			var there bool
			state, there = got.Chains[name]
			// One that came after the chains were read tears the reading.
			passed = !there || unread(name)
		}
		handles = append(handles, number(at(a, unix.NFTA_RULE_HANDLE)))
		return nil
	})
	// Also of what is torn, to be held against the next reading.
	end()
	return err
}

// hold puts down which rules the chain has.
func (c *chainState) hold(handles []uint64) {
	c.Rules, c.oldest, c.newest = len(handles), slices.Min(handles), slices.Max(handles)
	row := true
	sum := sha256.New()
	for i, h := range handles {
		row = row && h == handles[0]+uint64(i)
		// A hash takes whatever it is given.
		_, _ = sum.Write(binary.BigEndian.AppendUint64(nil, h))
	}
	if c.Handles = hex.EncodeToString(sum.Sum(nil)); row {
		c.Handles = runOfHandles(c.oldest, c.newest)
	}
}
