package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// kind is what a list is made of.
type kind string

const (
	mixed   kind = "prefixes of 24 to 32 bits"
	singles kind = "single addresses"
)

// list is a list of random prefixes, none of which touches another.
type list struct {
	random  *rand.Rand
	kind    kind
	entries []netip.Prefix
	there   map[netip.Prefix]bool
}

func newList(k kind, entries int) *list {
	l := &list{random: rand.New(rand.NewPCG(1, 2)), kind: k, there: map[netip.Prefix]bool{}}
	l.grow(entries)
	return l
}

// listed is where the entries are; strangers come from elsewhere.
const listedFrom, listedTo = 1 << 24, 200 << 24

func (l *list) grow(n int) {
	for n > 0 {
		bits := 32
		if l.kind == mixed {
			bits = 24 + l.random.IntN(9)
		}
		a := listedFrom + l.random.Uint32N(listedTo-listedFrom)
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, a))), bits).Masked()
		if !l.there[p] {
			l.there[p] = true
			l.entries = append(l.entries, p)
			n--
		}
	}
}

// change replaces so many entries by others.
func (l *list) change(n int) {
	for range n {
		i := l.random.IntN(len(l.entries))
		delete(l.there, l.entries[i])
		l.entries[i] = l.entries[len(l.entries)-1]
		l.entries = l.entries[:len(l.entries)-1]
	}
	l.grow(n)
}

// sample gives addresses on the list, from and including sources of every length.
func (l *list) sample() netip.Addr {
	p := l.entries[l.random.IntN(len(l.entries))]
	a := p.Addr().As4()
	n := binary.BigEndian.Uint32(a[:]) + l.random.Uint32N(1<<(32-p.Bits()))
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// stranger gives an address that is on no list, though others near it are.
func (l *list) stranger() netip.Addr {
	for {
		a := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, listedFrom+l.random.Uint32N(listedTo-listedFrom))))
		on := false
		for bits := 24; bits <= 32 && !on; bits++ {
			on = l.there[netip.PrefixFrom(a, bits).Masked()]
		}
		if !on {
			return a
		}
	}
}

// write puts the list in place as who fetches one does.
func (l *list) write(dir string) error {
	path := filepath.Join(dir, "long.netset")
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	for p := range slices.Values(slices.SortedFunc(maps.Keys(l.there), netip.Prefix.Compare)) {
		text := p.String()
		if p.Bits() == 32 {
			text = p.Addr().String()
		}
		fmt.Fprintln(out, text)
	}
	return errors.Join(out.Flush(), f.Close(), os.Rename(path+".new", path))
}

// policy is a rule file that blocks a list, where there is one, before other rules.
func policy(withList bool, rules int) string {
	var b strings.Builder
	b.WriteString("[default]\ninbound = \"block\"\noutbound = \"allow\"\n[log]\nunmatched = false\njournal = false\n")
	if withList {
		b.WriteString("[list.long]\nfile = \"long.netset\"\n[[rule]]\nname = \"long\"\naction = \"block\"\ndirection = \"in\"\nremote = \"@long\"\nlog = false\n")
	}
	for i := range rules {
		fmt.Fprintf(&b, "[[rule]]\nname = \"r%d\"\naction = \"allow\"\ndirection = \"in\"\nprotocol = \"tcp\"\nport = %d\nremote = \"198.18.%d.0/24\"\n", i, 1+i%60000, i%256)
	}
	return b.String()
}
