package names

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pfw/enforce/nflog"
)

const (
	// mostStreams bounds the connections of which messages are put together, each of up to mostWaiting bytes.
	mostStreams = 64
	mostWaiting = 1<<16 + 2
	// streamTime is how long a connection may be silent.
	streamTime = 30 * time.Second
)

// streams are the ways of connections of TCP that messages come by. What comes in order is put together; a connection of which a piece is
// missing, or whose beginning was not seen, is let go of: its messages are not seen.
type streams map[[2]netip.AddrPort]*stream

type stream struct {
	next    uint32
	waiting []byte
	at      time.Time
}

// add takes a piece and hands over the messages that are whole by it. RFC 1035 section 4.2.2: each has its length before it.
func (s streams) add(p *nflog.Payload, now time.Time, message func([]byte)) {
	k := [2]netip.AddrPort{p.Source, p.Destination}
	if p.Begins {
		s.room(now)
		s[k] = &stream{next: p.Sequence + 1, at: now}
		return
	}
	x := s[k]
	if x == nil || len(p.Data) == 0 {
		return
	}
	data := p.Data
	// What was sent before comes again where it was not acknowledged.
	if old := x.next - p.Sequence; int32(old) > 0 {
		data = data[min(int(old), len(data)):]
	} else if old != 0 {
		delete(s, k)
		return
	}
	x.next += uint32(len(data))
	x.waiting, x.at = append(x.waiting, data...), now
	for len(x.waiting) >= 2 {
		length := int(binary.BigEndian.Uint16(x.waiting))
		if len(x.waiting) < 2+length {
			break
		}
		message(x.waiting[2 : 2+length])
		x.waiting = x.waiting[2+length:]
	}
	if len(x.waiting) > mostWaiting {
		delete(s, k)
	}
}

// room makes room for one more.
func (s streams) room(now time.Time) {
	for k, x := range s {
		if now.Sub(x.at) > streamTime {
			delete(s, k)
		}
	}
	for k := range s {
		if len(s) < mostStreams {
			return
		}
		delete(s, k)
	}
}
