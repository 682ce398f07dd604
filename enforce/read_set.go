package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// nftaSetCount is NFTA_SET_COUNT, which newer kernels tell (include/uapi/linux/netfilter/nf_tables.h).
const nftaSetCount = 20

// unbounded is how many elements the kernel lets rules put into a set that was made without a word on that, from when on the
// first rule refers to it (nft_dynset_init).
const unbounded = 0xffff

// readSets does not leave it to the nftables package, which gives up at a set of a type that it does not know.
func (s *socket) readSets(got *snapshot, but unread) error {
	err := s.dump(unix.NFT_MSG_GETSET, inTable(), func(a []byte) error {
		flags := uint32(number(at(a, unix.NFTA_SET_FLAGS)))
		room := uint32(number(at(at(a, unix.NFTA_SET_DESC), unix.NFTA_SET_DESC_SIZE)))
		size, elements := uint32(0), 0
		switch {
		case flags&unix.NFT_SET_EVAL != 0 && room == unbounded:
		case flags&(unix.NFT_SET_TIMEOUT|unix.NFT_SET_EVAL) != 0:
			size = room // Its elements come and go.
		default:
			elements = int(number(at(a, nftaSetCount)))
		}
		got.Sets[text(at(a, unix.NFTA_SET_NAME))] = setState{
			Shape:     shapeText(uint32(number(at(a, unix.NFTA_SET_KEY_TYPE))), uint32(number(at(a, unix.NFTA_SET_KEY_LEN))), flags, size),
			anonymous: flags&unix.NFT_SET_ANONYMOUS != 0,
			Leads:     flags&unix.NFT_SET_MAP != 0,
			elements:  elements, room: int(room),
		}
		return nil
	})
	torn := errors.Is(err, errTorn)
	if err != nil && !torn {
		return listing("sets", err)
	}
	for name, state := range got.Sets {
		if n := but.counts(name); n < 1 || n > readBack {
			continue
		}
		if held, ok := but.loaded[name]; ok && held.count == state.elements {
			state.Hash = held.hash
			got.Sets[name] = state
			continue
		}
		var lines []string
		err := s.dump(unix.NFT_MSG_GETSETELEM, appendText(inTable(), unix.NFTA_SET_ELEM_LIST_SET, name), func(a []byte) error {
			for _, e := range attributes(at(a, unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
				end := number(at(e, unix.NFTA_SET_ELEM_FLAGS))&unix.NFT_SET_ELEM_INTERVAL_END != 0
				lines = append(lines, elementText(at(at(e, unix.NFTA_SET_ELEM_KEY), unix.NFTA_DATA_VALUE), end, at(at(e, unix.NFTA_SET_ELEM_DATA), unix.NFTA_DATA_VERDICT)))
			}
			return nil
		})
		if torn = torn || errors.Is(err, errTorn); err != nil && !errors.Is(err, errTorn) {
			return fmt.Errorf("list elements of set %s: %w", name, err)
		}
		state.Hash = elementsHash(lines)
		got.Sets[name] = state
	}
	if torn {
		return errTorn
	}
	return nil
}

func shapeText(magic, bytes, flags, size uint32) string {
	return fmt.Sprintf("type %#x of %d bytes, flags %#x, size %d", magic, bytes, flags, size)
}

// shape describes a set as the kernel will.
func (s *set) shape() string {
	size := s.size
	if !s.dynamic || s.byRules && size == unbounded {
		size = 0
	}
	return shapeText(s.kind.datatype.GetNFTMagic(), uint32(s.kind.bytes), s.flags(), size)
}

func elementText(value []byte, end bool, verdict []byte) string {
	text := hex.EncodeToString(value)
	if end {
		text += " end"
	}
	if len(verdict) > 0 {
		text += " " + hex.EncodeToString(verdict)
	}
	return text
}

// elementsHash does not depend on the order, as the kernel keeps none in a hash.
func elementsHash(lines []string) string {
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// length is by how many spans it is decided whether a set is read back. To know what is in a part of a list takes a walk
// through all of it.
func (s *set) length() int {
	if s.share != nil {
		return max(s.count, s.share.list.Len(s.share.family))
	}
	return s.count
}

// elementsHeld is what is to be in a set.
type elementsHeld struct {
	// count is how many elements the kernel counts: of an interval, whose end is another, one (nft_rbtree_usize in
	// net/netfilter/nft_set_rbtree.c).
	count int
	// hash is what reading the set back must give, "" where it is not read back.
	hash string
}

func (s *set) held() elementsHeld {
	if s.dynamic || s.length() > readBack {
		return elementsHeld{}
	}
	lines := make([]string, 0, 2*s.count)
	for e := range s.elements {
		lines = append(lines, elementText(e.key, e.end, e.verdict))
	}
	n := len(lines)
	if s.kind.interval {
		n /= 2
	}
	return elementsHeld{n, elementsHash(lines)}
}
