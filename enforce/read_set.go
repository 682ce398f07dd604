package enforce

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// readSets does not leave it to the nftables package, which gives up at a set of a type that it does not know.
func (s *socket) readSets(got *snapshot, counts func(set string) int) error {
	err := s.dump(unix.NFT_MSG_GETSET, inTable(), func(attributes []byte) error {
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
	torn := errors.Is(err, errTorn)
	if err != nil && !torn {
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
