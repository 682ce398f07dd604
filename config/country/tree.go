package country

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// tree is the search tree of a database: nodes of two records, for a bit that is 0 and for one that is 1. A record is the number of
// the next node, or that of no node, or above that where in the data section something is said of the network. The library's own
// walk does not end where a file leads it in circles.
type tree struct {
	data       []byte
	nodes      uint
	recordSize uint // bits
	version    uint
	// four is where IPv4 begins: at ::/96. All else that leads there are addresses which wrap one of IPv4 (::ffff:0:0/96, 2002::/16).
	four uint
}

// place is a record and the network that it is of.
type place struct {
	record uint
	bits   int
	addr   [16]byte // IPv4 at its end
}

func newTree(data []byte, m maxminddb.Metadata) *tree {
	return &tree{data: data, nodes: m.NodeCount, recordSize: m.RecordSize, version: m.IPVersion}
}

// record is one of a node's two.
func (t *tree) record(node, bit uint) (uint, error) {
	size := t.recordSize / 4 // of a node, bytes
	at := node * size
	if node >= t.nodes || at+size > uint(len(t.data)) {
		return 0, errors.New("is damaged: a node lies outside of it")
	}
	b := t.data[at : at+size]
	switch t.recordSize {
	case 24:
		b = b[3*bit:]
		return uint(b[0])<<16 | uint(b[1])<<8 | uint(b[2]), nil
	case 28:
		// Four bits of each are in the byte between them.
		if bit == 0 {
			return uint(b[3]>>4)<<24 | uint(b[0])<<16 | uint(b[1])<<8 | uint(b[2]), nil
		}
		return uint(b[3]&0xf)<<24 | uint(b[4])<<16 | uint(b[5])<<8 | uint(b[6]), nil
	case 32:
		return uint(binary.BigEndian.Uint32(b[4*bit:])), nil
	}
	return 0, fmt.Errorf("is damaged: records of %d bits", t.recordSize)
}

// walk gives every network with what the data section says of it, by its offset there, in ascending order, IPv4 first.
func (t *tree) walk(yield func(p netip.Prefix, offset uint) error) error {
	start := place{bits: 96}
	if t.version == 6 {
		for start.bits = 0; start.bits < 96 && start.record < t.nodes; start.bits++ {
			var err error
			if start.record, err = t.record(start.record, 0); err != nil {
				return err
			}
		}
	}
	t.four = start.record
	steps := 0
	if err := t.below(place{record: t.four, bits: 96}, &steps, yield); err != nil || t.version == 4 {
		return err
	}
	return t.below(place{}, &steps, func(p netip.Prefix, offset uint) error {
		if a := p.Addr(); a.Is4In6() {
			return nil // never on the wire
		}
		return yield(p, offset)
	})
}

// below gives the networks of a place.
func (t *tree) below(from place, steps *int, yield func(p netip.Prefix, offset uint) error) error {
	const separator = 16 // bytes between the tree and the data section
	isFour := from.bits == 96
	for stack := []place{from}; len(stack) > 0; {
		x := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if *steps++; *steps > mostSteps*(int(t.nodes)+128) {
			return errors.New("is damaged: its search tree does not end")
		}
		switch {
		case x.record == t.nodes: // nothing is known
		case !isFour && x.record == t.four && x.record < t.nodes: // was walked already
		case x.record > t.nodes:
			if x.record < t.nodes+separator {
				return errors.New("is damaged: a network's record lies outside of it")
			}
			if !isFour && x.bits == 96 && x.addr == [16]byte{} {
				continue // IPv4 as a whole, which was told already
			}
			if err := yield(x.prefix(isFour), x.record-t.nodes-separator); err != nil {
				return err
			}
		case x.bits == 128:
			return errors.New("is damaged: its search tree is deeper than an address is long")
		default:
			left, err := t.record(x.record, 0)
			if err != nil {
				return err
			}
			right, err := t.record(x.record, 1)
			if err != nil {
				return err
			}
			one := place{record: right, bits: x.bits + 1, addr: x.addr}
			one.addr[x.bits/8] |= 0x80 >> (x.bits % 8)
			stack = append(stack, one, place{record: left, bits: x.bits + 1, addr: x.addr})
		}
	}
	return nil
}

func (x place) prefix(isFour bool) netip.Prefix {
	if isFour {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(x.addr[12:])), x.bits-96)
	}
	return netip.PrefixFrom(netip.AddrFrom16(x.addr), x.bits)
}
