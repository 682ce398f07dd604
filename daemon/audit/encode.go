package audit

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strconv"
	"time"
)

const (
	eveTime = "2006-01-02T15:04:05.000000-0700"
	rfcTime = "2006-01-02T15:04:05.000000Z07:00" // RFC 3339, as schemas have every time but EVE's
)

// MarshalJSON has the fields in the order of EVE.
func (e Entry) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends e as one line without its newline. It is written by hand because the file sink encodes every packet that is
// logged: no allocation, and no error to have to account for.
func (e *Entry) AppendJSON(b []byte) []byte {
	b = append(b, `{"timestamp":"`...)
	b = e.Timestamp.UTC().AppendFormat(b, eveTime)
	b = append(b, '"')
	b = appendCount(b, `,"seq":`, e.Seq)
	b = appendText(b, `,"event_type":`, e.EventType.String())
	b = appendText(b, `,"direction":`, e.Direction)
	b = appendText(b, `,"in_iface":`, e.InIface)
	b = appendText(b, `,"out_iface":`, e.OutIface)
	b = appendText(b, `,"proto":`, e.Proto)
	if e.SrcIP.IsValid() {
		b = append(b, `,"src_ip":"`...)
		b = append(appendHost(b, e.SrcIP), '"')
	}
	b = appendOpt(b, `,"src_port":`, e.SrcPort)
	if e.DestIP.IsValid() {
		b = append(b, `,"dest_ip":"`...)
		b = append(e.DestIP.WithZone("").AppendTo(b), '"')
	}
	b = appendOpt(b, `,"dest_port":`, e.DestPort)
	b = appendText(b, `,"community_id":`, e.CommunityID)
	b = appendOpt(b, `,"icmp_type":`, e.ICMPType)
	b = appendOpt(b, `,"icmp_code":`, e.ICMPCode)
	if e.TCPFlags != 0 {
		b = append(b, `,"tcp_flags":"`...)
		b = append(e.TCPFlags.append(b), '"')
	}
	b = appendCount(b, `,"packet_len":`, uint64(max(e.PacketLen, 0)))
	if e.Signature != nil {
		b = append(b, `,"alert":{`...)
		b = append(e.Signature.append(b), '}')
	}
	b = append(b, `,"pfw":{`...)
	b = e.PFW.append(b)
	return append(b, "}}"...)
}

func (s *Signature) append(b []byte) []byte {
	start := len(b)
	b = appendCount(b, `,"signature_id":`, uint64(s.ID))
	b = appendCount(b, `,"gid":`, uint64(s.GID))
	b = appendCount(b, `,"rev":`, uint64(s.Rev))
	b = appendText(b, `,"signature":`, s.Text)
	b = appendText(b, `,"category":`, s.Category)
	b = appendCount(b, `,"severity":`, uint64(s.Severity))
	b = appendText(b, `,"action":`, s.Action)
	return withoutComma(b, start)
}

func (p *PFW) append(b []byte) []byte {
	start := len(b)
	b = appendText(b, `,"action":`, p.Action)
	b = appendText(b, `,"rule":`, p.Rule)
	b = appendText(b, `,"reason":`, p.Reason)
	b = appendText(b, `,"severity":`, p.Severity)
	b = appendText(b, `,"over":`, p.Over)
	b = appendText(b, `,"name":`, p.Name)
	b = appendOpt(b, `,"uid":`, p.UID)
	b = appendText(b, `,"user":`, p.User)
	b = appendCount(b, `,"pid":`, uint64(max(p.PID, 0)))
	b = appendText(b, `,"exe":`, p.Exe)
	b = appendText(b, `,"unit":`, p.Unit)
	b = appendCount(b, `,"count":`, p.Count)
	b = appendTime(b, `,"since":"`, p.Since)
	b = appendTime(b, `,"until":"`, p.Until)
	b = appendCount(b, `,"generation":`, p.Generation)
	return withoutComma(b, start)
}

// withoutComma takes away the comma before the first field of an object.
func withoutComma(b []byte, start int) []byte {
	if len(b) > start {
		b = append(b[:start], b[start+1:]...)
	}
	return b
}

func appendHost(b []byte, p netip.Prefix) []byte {
	if p.IsSingleIP() {
		return p.Addr().AppendTo(b)
	}
	return p.AppendTo(b)
}

func appendOpt[T uint8 | uint16 | uint32](b []byte, key string, o Opt[T]) []byte {
	if !o.Known {
		return b
	}
	return strconv.AppendUint(append(b, key...), uint64(o.V), 10)
}

func appendCount(b []byte, key string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendUint(append(b, key...), n, 10)
}

func appendTime(b []byte, key string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return append(t.UTC().AppendFormat(append(b, key...), rfcTime), '"')
}

func appendText(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	b = append(b, key...)
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return appendQuoted(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendQuoted leaves "->" as it is, which json.Marshal would escape for the sake of HTML: people grep for it.
func appendQuoted(b []byte, s string) []byte {
	var quoted bytes.Buffer
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string has a JSON form, whatever is in it
	return append(b, bytes.TrimSuffix(quoted.Bytes(), []byte{'\n'})...)
}
