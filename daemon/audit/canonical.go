package audit

import (
	"bytes"
	"math"
	"net/netip"
	"time"
)

// decodeCanonical reads a line in the form that AppendJSON gives it where no text has to be escaped, several times as fast as
// encoding/json does: who asks for the past has the log read as a whole. ok is false for any other line, which may be right too.
func (e *Entry) decodeCanonical(line []byte) (ok bool) {
	c := canonical{rest: line, ok: true}
	c.want(`{"timestamp":"`)
	e.Timestamp = c.eveTime()
	e.Seq = c.number(`,"seq":`, maxSeq)
	e.EventType = c.eventType(`,"event_type":"`)
	e.Direction = c.text(`,"direction":"`)
	e.InIface = c.text(`,"in_iface":"`)
	e.OutIface = c.text(`,"out_iface":"`)
	e.Proto = c.text(`,"proto":"`)
	e.SrcIP = c.host(`,"src_ip":"`)
	e.SrcPort = optional[uint16](&c, `,"src_port":`, math.MaxUint16)
	e.DestIP = c.addr(`,"dest_ip":"`)
	e.DestPort = optional[uint16](&c, `,"dest_port":`, math.MaxUint16)
	e.CommunityID = c.text(`,"community_id":"`)
	e.ICMPType = optional[uint8](&c, `,"icmp_type":`, math.MaxUint8)
	e.ICMPCode = optional[uint8](&c, `,"icmp_code":`, math.MaxUint8)
	e.TCPFlags = c.flags(`,"tcp_flags":"`)
	e.PacketLen = int(c.number(`,"packet_len":`, math.MaxUint32))
	e.Signature = c.signature(`,"alert":{`)
	c.want(`,"pfw":{`)
	c.first = true
	p := &e.PFW
	p.Action = c.text(`,"action":"`)
	p.Rule = c.text(`,"rule":"`)
	p.Reason = c.text(`,"reason":"`)
	p.Severity = c.text(`,"severity":"`)
	p.Over = c.text(`,"over":"`)
	p.Name = c.text(`,"name":"`)
	p.UID = optional[uint32](&c, `,"uid":`, math.MaxUint32)
	p.User = c.text(`,"user":"`)
	p.PID = int(c.number(`,"pid":`, math.MaxUint32))
	p.Exe = c.text(`,"exe":"`)
	p.Unit = c.text(`,"unit":"`)
	p.Count = c.number(`,"count":`, math.MaxUint64)
	p.Since = c.rfcTime(`,"since":"`)
	p.Until = c.rfcTime(`,"until":"`)
	p.Generation = c.number(`,"generation":`, math.MaxUint64)
	c.want(`}}`)
	return c.ok && len(c.rest) == 0
}

func (c *canonical) signature(key string) *Signature {
	if !c.skip(key) {
		return nil
	}
	c.first = true
	s := &Signature{}
	s.ID = uint32(c.number(`,"signature_id":`, math.MaxUint32))
	s.GID = uint32(c.number(`,"gid":`, math.MaxUint32))
	s.Rev = uint32(c.number(`,"rev":`, math.MaxUint32))
	s.Text = c.text(`,"signature":"`)
	s.Category = c.text(`,"category":"`)
	s.Severity = uint32(c.number(`,"severity":`, math.MaxUint32))
	s.Action = c.text(`,"action":"`)
	c.first = false
	c.want(`}`)
	return s
}

// canonical reads a line from its front. Once something is not as it should be, nothing is.
type canonical struct {
	rest  []byte
	ok    bool
	first bool // no field of the object was read yet, so the next one has no comma
}

func (c *canonical) want(text string) {
	if !c.skip(text) {
		c.ok = false
	}
}

// skip passes over a text where it comes next. It may begin with a comma, which the first field of an object lacks.
func (c *canonical) skip(text string) bool {
	if c.first && text[0] == ',' {
		text = text[1:]
	}
	if !c.ok || len(c.rest) < len(text) || string(c.rest[:len(text)]) != text {
		return false
	}
	c.rest = c.rest[len(text):]
	return true
}

// field begins a field that may be missing.
func (c *canonical) field(key string) bool {
	if !c.skip(key) {
		return false
	}
	c.first = false
	return true
}

// quoted is what comes before the next quotation mark.
func (c *canonical) quoted(key string) []byte {
	if !c.field(key) {
		return nil
	}
	end := bytes.IndexByte(c.rest, '"')
	if end <= 0 { // what is empty is not written
		c.ok = false
		return nil
	}
	text := c.rest[:end]
	for _, b := range text {
		if b < ' ' || b > '~' || b == '\\' {
			c.ok = false
			return nil
		}
	}
	c.rest = c.rest[end+1:]
	return text
}

func (c *canonical) text(key string) string { return string(c.quoted(key)) }

func (c *canonical) number(key string, most uint64) uint64 {
	n, known := c.digits(key, most)
	if known && n == 0 { // is not written
		c.ok = false
	}
	return n
}

func optional[T uint8 | uint16 | uint32](c *canonical, key string, most uint64) Opt[T] {
	n, known := c.digits(key, most)
	return Opt[T]{V: T(n), Known: known}
}

func (c *canonical) digits(key string, most uint64) (n uint64, known bool) {
	if !c.field(key) {
		return 0, false
	}
	i := 0
	for ; i < len(c.rest) && '0' <= c.rest[i] && c.rest[i] <= '9'; i++ {
		d := uint64(c.rest[i] - '0')
		if n > (most-d)/10 || i == 1 && n == 0 {
			c.ok = false
			return 0, false
		}
		n = 10*n + d
	}
	if i == 0 {
		c.ok = false
	}
	c.rest = c.rest[i:]
	return n, c.ok
}

func (c *canonical) eventType(key string) EventType {
	name := c.quoted(key)
	for t, n := range eventNames {
		if n != "" && n == string(name) {
			return EventType(t)
		}
	}
	c.ok = false
	return 0
}

func (c *canonical) addr(key string) netip.Addr {
	text := c.quoted(key)
	if text == nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil || a.Zone() != "" {
		c.ok = false
	}
	return a
}

func (c *canonical) host(key string) netip.Prefix {
	text := c.quoted(key)
	if text == nil {
		return netip.Prefix{}
	}
	d := decoder{}
	p := d.host(string(text))
	if d.err != nil {
		c.ok = false
	}
	return p
}

func (c *canonical) flags(key string) TCPFlags {
	f, err := parseTCPFlags(c.text(key))
	if err != nil {
		c.ok = false
	}
	return f
}

func (c *canonical) eveTime() time.Time { return c.moment(stampZone) }

func (c *canonical) rfcTime(key string) time.Time {
	if !c.field(key) {
		return time.Time{}
	}
	return c.moment(`Z"`)
}

// moment reads a time as stampTime has it, and what comes after it.
func (c *canonical) moment(zone string) time.Time {
	if !c.ok || len(c.rest) < len(stampTime) {
		c.ok = false
		return time.Time{}
	}
	text := c.rest[:len(stampTime)]
	c.rest = c.rest[len(stampTime):]
	c.want(zone)
	number := func(from, to int) (n int) {
		for _, b := range text[from:to] {
			if b < '0' || b > '9' {
				c.ok = false
			}
			n = 10*n + int(b-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	hour, minute, second, micro := number(11, 13), number(14, 16), number(17, 19), number(20, 26)
	separators := []byte{text[4], text[7], text[10], text[13], text[16], text[19]}
	t := time.Date(year, time.Month(month), day, hour, minute, second, micro*1000, time.UTC)
	// Date makes a time of any numbers: the 31st of February is in March.
	if year < 1 || t.Month() != time.Month(month) || t.Day() != day || hour > 23 || minute > 59 || second > 59 || string(separators) != "--T::." {
		c.ok = false
	}
	return t
}
