package audit

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// line is an entry as it stands in the file; fields that this version does not know are passed over.
type line struct {
	Timestamp   string  `json:"timestamp"`
	Seq         uint64  `json:"seq"`
	EventType   string  `json:"event_type"`
	Direction   string  `json:"direction"`
	InIface     string  `json:"in_iface"`
	OutIface    string  `json:"out_iface"`
	Proto       string  `json:"proto"`
	SrcIP       string  `json:"src_ip"`
	SrcPort     *uint16 `json:"src_port"`
	DestIP      string  `json:"dest_ip"`
	DestPort    *uint16 `json:"dest_port"`
	CommunityID string  `json:"community_id"`
	ICMPType    *uint8  `json:"icmp_type"`
	ICMPCode    *uint8  `json:"icmp_code"`
	TCPFlags    string  `json:"tcp_flags"`
	PacketLen   uint32  `json:"packet_len"`
	Alert       *struct {
		ID        uint32 `json:"signature_id"`
		GID       uint32 `json:"gid"`
		Rev       uint32 `json:"rev"`
		Signature string `json:"signature"`
		Category  string `json:"category"`
		Severity  uint32 `json:"severity"`
		Action    string `json:"action"`
	} `json:"alert"`
	PFW struct {
		Action     string  `json:"action"`
		Rule       string  `json:"rule"`
		Reason     string  `json:"reason"`
		Severity   string  `json:"severity"`
		Over       string  `json:"over"`
		Name       string  `json:"name"`
		UID        *uint32 `json:"uid"`
		User       string  `json:"user"`
		PID        uint32  `json:"pid"`
		Exe        string  `json:"exe"`
		Unit       string  `json:"unit"`
		Count      uint64  `json:"count"`
		Since      string  `json:"since"`
		Until      string  `json:"until"`
		Generation uint64  `json:"generation"`
	} `json:"pfw"`
}

// maxSeq is far beyond what any machine logs; a number above it is damage, not a sequence to go on from.
const maxSeq = 1 << 62

// UnmarshalJSON reads what MarshalJSON writes. An entry without a time or a known event type is an error, after which e is
// not to be used. One without a sequence number was shown and not logged.
func (e *Entry) UnmarshalJSON(data []byte) error {
	if *e = (Entry{}); e.decodeCanonical(data) {
		return nil
	}
	return e.decode(data)
}

// decode reads any JSON of an entry.
func (e *Entry) decode(data []byte) error {
	var l line
	if err := json.Unmarshal(data, &l); err != nil {
		return err
	}
	if l.Seq > maxSeq {
		return fmt.Errorf("seq %d is out of range", l.Seq)
	}
	d := decoder{}
	p := &l.PFW
	*e = Entry{
		Timestamp: d.time("timestamp", eveTime, l.Timestamp), Seq: l.Seq, EventType: d.event(l.EventType),
		Direction: l.Direction, InIface: l.InIface, OutIface: l.OutIface, Proto: l.Proto,
		SrcIP: d.host(l.SrcIP), SrcPort: opt(l.SrcPort), DestIP: d.addr(l.DestIP), DestPort: opt(l.DestPort),
		CommunityID: l.CommunityID, ICMPType: opt(l.ICMPType), ICMPCode: opt(l.ICMPCode), TCPFlags: d.flags(l.TCPFlags),
		PacketLen: int(l.PacketLen),
		PFW: PFW{
			Action: p.Action, Rule: p.Rule, Reason: p.Reason, Severity: p.Severity, Over: p.Over, Name: p.Name, UID: opt(p.UID), User: p.User,
			PID: int(p.PID), Exe: p.Exe, Unit: p.Unit, Count: p.Count, Since: d.optTime("since", p.Since),
			Until: d.optTime("until", p.Until), Generation: p.Generation,
		},
	}
	if s := l.Alert; s != nil {
		e.Signature = &Signature{s.ID, s.GID, s.Rev, s.Signature, s.Category, s.Severity, s.Action}
	}
	return d.err
}

func opt[T uint8 | uint16 | uint32](v *T) Opt[T] {
	if v == nil {
		return Opt[T]{}
	}
	return Known(*v)
}

// decoder keeps the first error, so that an entry reads as one expression.
type decoder struct{ err error }

func (d *decoder) note(field string, err error) {
	if d.err == nil && err != nil {
		d.err = fmt.Errorf("%s: %w", field, err)
	}
}

func (d *decoder) time(field, layout, s string) time.Time {
	t, err := time.Parse(layout, s)
	if err == nil && (t.Year() < 1 || t.Year() > 9999) {
		err = fmt.Errorf("year %d is out of range", t.Year())
	}
	d.note(field, err)
	return t.UTC().Truncate(time.Microsecond)
}

func (d *decoder) optTime(field, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	return d.time(field, time.RFC3339Nano, s)
}

func (d *decoder) event(s string) EventType {
	t, err := ParseEventType(s)
	d.note("event_type", err)
	return t
}

func (d *decoder) addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	d.note("dest_ip", err)
	return a.WithZone("")
}

func (d *decoder) host(s string) netip.Prefix {
	if s == "" {
		return netip.Prefix{}
	}
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		d.note("src_ip", err)
		return p
	}
	a, err := netip.ParseAddr(s)
	d.note("src_ip", err)
	return Host(a)
}

func (d *decoder) flags(s string) TCPFlags {
	f, err := parseTCPFlags(s)
	d.note("tcp_flags", err)
	return f
}
