package config

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"pfw/config/policy"
)

// listText is what the text of a list file says.
type listText struct {
	builder policy.AddressBuilder
	// entries counts the lines that are addresses, masked those of them whose host bits were cleared.
	entries, masked int
	// skipped are the numbers of the lines that are no address, first is the first of them.
	skipped []int
	first   string
}

// parseList reads the text of a list file: an address, prefix or range a line. It works on bytes, because a million lines
// is an ordinary size.
func parseList(data []byte) (*listText, *fault) {
	t := &listText{}
	for number := 1; len(data) > 0; number++ {
		line := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line, data = data[:i], data[i+1:]
		} else {
			data = nil
		}
		if w := t.line(line, number); w != nil {
			return nil, w
		}
	}
	return t, nil
}

// scanList is parseList for a text that is read bit by bit. size is how many bytes it has, 0 where that is not known.
func scanList(r io.Reader, path string, size int64) (*listText, *fault, error) {
	const atOnce = 256 << 10
	t := &listText{}
	left := &io.LimitedReader{R: r, N: maxFile + 1}
	in := bufio.NewReaderSize(left, atOnce)
	// By its beginning: a list that grows as it is read is copied time and again.
	if begin, err := in.Peek(atOnce); size > 0 && err == nil {
		lines := int64(bytes.Count(begin, []byte{'\n'}))
		t.builder.Grow(int(min(lines*(size+size/16)/atOnce, mostLines)))
	}
	for number := 1; ; number++ {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			// Only a comment is as long.
			var rest []byte
			line = bytes.Clone(line)
			rest, err = in.ReadBytes('\n')
			line = append(line, rest...)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, err
		}
		if left.N == 0 {
			return nil, nil, tooLarge(path)
		}
		if w := t.line(line, number); w != nil {
			return nil, w, nil
		}
		if err != nil {
			return t, nil, nil
		}
	}
}

// mostLines bounds the lines of a list that are not empty. The text is bounded too, but a line of four bytes makes 32 in memory, and
// more in the kernel.
const mostLines = 4 << 20

// line reads one line, with or without its end.
func (t *listText) line(line []byte, number int) *fault {
	if number == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	if i := bytes.IndexByte(line, '#'); i >= 0 {
		line = line[:i]
	}
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return nil
	}
	if t.entries+len(t.skipped) == mostLines {
		return wrong("", "the list has more than %d entries", mostLines)
	}
	if s, ok := parseSpan4(line); ok {
		t.add(s)
		return nil
	}
	if hostsLine(line) {
		return wrong("make a list of addresses; names of hosts cannot be in it", "line %d is a line of a hosts file", number)
	}
	s, w := parseSpan(string(line))
	if w != nil {
		if len(t.skipped) == 0 {
			t.first = string(line)
		}
		t.skipped = append(t.skipped, number)
		return nil
	}
	t.add(s)
	return nil
}

func (t *listText) add(s span) {
	t.entries++
	if s.masked.IsValid() {
		t.masked++
	}
	// parseSpan and parseSpan4 give only what Add takes.
	if err := t.builder.Add(s.first, s.last); err != nil {
		panic(fmt.Sprintf("config: %s", err))
	}
}

// tooManySkipped tells whether more than one line in a hundred is no address.
func (t *listText) tooManySkipped() bool { return len(t.skipped)*100 > t.entries+len(t.skipped) }

const aLine = "a list has an address, prefix or range on each line"

// garbage says that too much of a text is no list; control that none of its lines is to be quoted.
func (t *listText) garbage(control bool) *fault {
	if !t.tooManySkipped() {
		return nil
	}
	first := fmt.Sprintf(", the first is line %d", t.skipped[0])
	if !control {
		first += fmt.Sprintf(": %q", t.first[:min(len(t.first), 80)])
	}
	return wrong(aLine, "%d of %d lines are no addresses, more than 1 %%%s", len(t.skipped), t.entries+len(t.skipped), first)
}

// remark tells of the lines that were skipped, nil where there are none.
func (l *List) remark() *fault {
	if l.Skipped == 0 {
		return nil
	}
	return wrong(aLine, "%d of %d lines skipped, as they are no addresses; the first is line %d", l.Skipped, l.Entries+l.Skipped, l.SkippedLines[0])
}

// list makes a list of the text.
func (t *listText) list(source string, set *policy.AddressSet) *List {
	return &List{Source: source, Entries: t.entries, Skipped: len(t.skipped), SkippedLines: t.skipped, Masked: t.masked, Set: set}
}

// parseSpan4 is parseSpan for the usual line, an IPv4 address or prefix, without an allocation.
func parseSpan4(line []byte) (span, bool) {
	var a [4]byte
	i := 0
	for octet := range a {
		if octet > 0 {
			if i >= len(line) || line[i] != '.' {
				return span{}, false
			}
			i++
		}
		n, end, ok := decimal(line, i, 255)
		if !ok {
			return span{}, false
		}
		a[octet], i = byte(n), end
	}
	addr := netip.AddrFrom4(a)
	if i == len(line) {
		return span{first: addr, last: addr}, true
	}
	if line[i] != '/' {
		return span{}, false
	}
	bits, end, ok := decimal(line, i+1, 32)
	if !ok || end != len(line) {
		return span{}, false
	}
	p := netip.PrefixFrom(addr, bits)
	r := policy.RangeOf(p)
	s := span{first: r.First, last: r.Last}
	if r.First != addr {
		s.masked = p.Masked()
	}
	return s, true
}

// decimal reads a number of at most three digits without leading zeros.
func decimal(line []byte, from, most int) (n, end int, ok bool) {
	end = from
	for end < len(line) && end < from+3 && line[end] >= '0' && line[end] <= '9' {
		n = n*10 + int(line[end]-'0')
		end++
	}
	return n, end, end > from && n <= most && (end == from+1 || line[from] != '0')
}

// hostsLine tells a line of a hosts file that sends a name nowhere, which reads like the entry "0.0.0.0" of a list.
func hostsLine(line []byte) bool {
	if bytes.IndexByte(line, ' ') < 0 && bytes.IndexByte(line, '\t') < 0 {
		return false
	}
	fields := strings.Fields(string(line))
	if len(fields) < 2 || fields[1] == "-" {
		return false
	}
	a, err := netip.ParseAddr(fields[0])
	return err == nil && (a.IsUnspecified() || a.IsLoopback() || strings.Contains(fields[0], "%"))
}

// unzip gives the contents of a .gz file.
func unzip(data []byte, path string) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	out, err := readAll(z, path+", unpacked,")
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	return out, nil
}
