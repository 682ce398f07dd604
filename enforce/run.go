package enforce

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// value is a port, an address, a name of an interface or any other value of a dimension, as a number of 128 bits.
type value struct{ hi, lo uint64 }

func compareValues(a, b value) int {
	if a.hi != b.hi {
		return cmp.Compare(a.hi, b.hi)
	}
	return cmp.Compare(a.lo, b.lo)
}

func (v value) next() value {
	v.lo++
	if v.lo == 0 {
		v.hi++
	}
	return v
}

func (v value) prev() value {
	if v.lo == 0 {
		v.hi--
	}
	v.lo--
	return v
}

// topValue is above the values of all dimensions but IPv6 addresses, of which it is the last.
var topValue = value{1<<64 - 1, 1<<64 - 1}

// bytes writes the last so many bytes of the number.
func (v value) bytes(n int) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), v.hi)
	return binary.BigEndian.AppendUint64(b, v.lo)[16-n:]
}

func valueOf(b []byte) value {
	var wide [16]byte
	copy(wide[16-len(b):], b)
	return value{binary.BigEndian.Uint64(wide[:8]), binary.BigEndian.Uint64(wide[8:])}
}

// run is values from the first to the last, both inclusive.
type run struct{ first, last value }

func compareRuns(a, b run) int { return compareValues(a.first, b.first) }

// merged sorts runs and joins those that overlap or touch.
func merged(runs []run) []run {
	slices.SortFunc(runs, compareRuns)
	out := make([]run, 0, len(runs))
	for _, r := range runs {
		n := len(out)
		if n > 0 && (out[n-1].last == topValue || compareValues(r.first, out[n-1].last.next()) <= 0) {
			if compareValues(out[n-1].last, r.last) < 0 {
				out[n-1].last = r.last
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// single gives runs of one value each, in order and without duplicates.
func single[T ~uint8 | ~uint32](values []T) []run {
	values = slices.Clone(values)
	slices.Sort(values)
	out := make([]run, 0, len(values))
	for _, v := range slices.Compact(values) {
		one := value{lo: uint64(v)}
		out = append(out, run{one, one})
	}
	return out
}

func protocolRuns(list []policy.Protocol) []run { return single(list) }

func accounts(list []policy.Account) []run {
	ids := make([]uint32, len(list))
	for i, a := range list {
		ids[i] = a.ID
	}
	return single(ids)
}

func portRuns(p policy.PortSet) []run {
	ranges := p.Ranges()
	out := make([]run, len(ranges))
	for i, r := range ranges {
		out[i] = run{value{lo: uint64(r.First)}, value{lo: uint64(r.Last)}}
	}
	return out
}

func addressRuns(s *policy.AddressSet, f policy.Family) []run {
	out := make([]run, 0, s.Len(f))
	for r := range s.Ranges(f) {
		out = append(out, run{addressValue(r.First), addressValue(r.Last)})
	}
	return out
}

func addressValue(a netip.Addr) value {
	if a.Is4() {
		b := a.As4()
		return valueOf(b[:])
	}
	b := a.As16()
	return valueOf(b[:])
}

// namesOf gives the names that an interface's pattern matches, as the kernel holds them: followed by zeros. What comes after
// the beginning of a name is at most all ones.
func namesOf(i policy.Interface) run {
	name, prefix := comparedName(i)
	var first, last [unix.IFNAMSIZ]byte
	copy(first[:], name)
	last = first
	if prefix {
		for n := len(name); n < len(last); n++ {
			last[n] = 0xff
		}
	}
	return run{valueOf(first[:]), valueOf(last[:])}
}
