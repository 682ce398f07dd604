package audit

import (
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// Priority is e's syslog priority. What shows that the firewall or its log is not whole is a warning; a packet has its rule's
// severity: low (and none) is info, medium notice, high warning; everything else that happens is a notice.
func (e *Entry) Priority() journal.Priority {
	switch e.EventType {
	case Tamper, Lost, Panic:
		return journal.PriWarning
	case Drop, Allow, Suppressed, Alert, Ban, Unban, Cut, Reload:
	default:
		panic("audit: priority of " + e.EventType.String())
	}
	switch e.PFW.Severity {
	case "low":
		return journal.PriInfo
	case "medium":
		return journal.PriNotice
	case "high":
		return journal.PriWarning
	}
	if e.Weight() > 0 { // a packet of no severity is everyday noise
		return journal.PriInfo
	}
	return journal.PriNotice
}

// Fields are e's journal fields besides MESSAGE and PRIORITY, so that journalctl PFW_RULE=… finds it.
func (e *Entry) Fields() map[string]string {
	fields := map[string]string{
		"SYSLOG_IDENTIFIER": "pfwd",
		"PFW_EVENT_TYPE":    e.EventType.String(),
	}
	text := func(name, value string) {
		if value != "" {
			fields[name] = value
		}
	}
	number := func(name string, value uint64, known bool) {
		if known {
			fields[name] = strconv.FormatUint(value, 10)
		}
	}
	p := &e.PFW
	number("PFW_SEQ", e.Seq, e.Seq > 0)
	text("PFW_DIRECTION", e.Direction)
	text("PFW_IN_IFACE", e.InIface)
	text("PFW_OUT_IFACE", e.OutIface)
	text("PFW_PROTO", e.Proto)
	if e.SrcIP.IsValid() {
		text("PFW_SRC_IP", string(appendHost(nil, e.SrcIP)))
	}
	number("PFW_SRC_PORT", uint64(e.SrcPort.V), e.SrcPort.Known)
	if e.DestIP.IsValid() {
		text("PFW_DEST_IP", e.DestIP.WithZone("").String())
	}
	number("PFW_DEST_PORT", uint64(e.DestPort.V), e.DestPort.Known)
	text("PFW_COMMUNITY_ID", e.CommunityID)
	number("PFW_ICMP_TYPE", uint64(e.ICMPType.V), e.ICMPType.Known)
	number("PFW_ICMP_CODE", uint64(e.ICMPCode.V), e.ICMPCode.Known)
	text("PFW_TCP_FLAGS", e.TCPFlags.String())
	number("PFW_PACKET_LEN", uint64(e.PacketLen), e.PacketLen > 0)
	if s := e.Signature; s != nil {
		number("PFW_SIGNATURE_ID", uint64(s.ID), true)
		number("PFW_GID", uint64(s.GID), true)
		text("PFW_SIGNATURE", s.Text)
		text("PFW_CATEGORY", s.Category)
	}
	text("PFW_ACTION", p.Action)
	text("PFW_RULE", p.Rule)
	text("PFW_REASON", p.Reason)
	text("PFW_SEVERITY", p.Severity)
	text("PFW_OVER", p.Over)
	text("PFW_NAME", p.Name)
	number("PFW_UID", uint64(p.UID.V), p.UID.Known)
	text("PFW_USER", p.User)
	number("PFW_PID", uint64(p.PID), p.PID > 0)
	text("PFW_EXE", p.Exe)
	text("PFW_UNIT", p.Unit)
	number("PFW_COUNT", p.Count, p.Count > 0)
	moment := func(name string, t time.Time) {
		if !t.IsZero() {
			fields[name] = t.UTC().Format(rfcTime)
		}
	}
	moment("PFW_SINCE", p.Since)
	moment("PFW_UNTIL", p.Until)
	number("PFW_GENERATION", p.Generation, p.Generation > 0)
	return fields
}
