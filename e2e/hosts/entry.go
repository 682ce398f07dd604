package hosts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Entry is one line of the audit log as a reader outside the project sees it, so
// it is declared here anew rather than shared with the daemon. Fields that a line
// does not have are zero.
type Entry struct {
	Timestamp   string `json:"timestamp"`
	Seq         uint64 `json:"seq"`
	EventType   string `json:"event_type"`
	Direction   string `json:"direction"`
	InIface     string `json:"in_iface"`
	OutIface    string `json:"out_iface"`
	Proto       string `json:"proto"`
	SrcIP       string `json:"src_ip"`
	SrcPort     uint16 `json:"src_port"`
	DestIP      string `json:"dest_ip"`
	DestPort    uint16 `json:"dest_port"`
	ICMPType    *uint8 `json:"icmp_type"`
	ICMPCode    *uint8 `json:"icmp_code"`
	CommunityID string `json:"community_id"`
	TCPFlags    string `json:"tcp_flags"`
	PacketLen   int    `json:"packet_len"` // bytes
	PFW         struct {
		Action     string  `json:"action"`
		Rule       string  `json:"rule"`
		Reason     string  `json:"reason"`
		Severity   string  `json:"severity"`
		Name       string  `json:"name"`
		UID        *uint32 `json:"uid"`
		User       string  `json:"user"`
		PID        int     `json:"pid"`
		Exe        string  `json:"exe"`
		Unit       string  `json:"unit"`
		Count      uint64  `json:"count"`
		Until      string  `json:"until"`
		Generation uint64  `json:"generation"`
	} `json:"pfw"`

	Line string `json:"-"` // the whole line
}

// readEntries reads the audit log and the old files beside it, in order of seq.
// A line without an end is still being written and is left for the next time.
func readEntries(path string) ([]Entry, error) {
	files, err := filepath.Glob(path + "*")
	if err != nil {
		return nil, fmt.Errorf("find audit log: %w", err)
	}
	var all []Entry
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read audit log: %w", err)
		}
		text = text[:bytes.LastIndexByte(text, '\n')+1]
		number := 0
		for line := range bytes.Lines(text) {
			number++
			line = bytes.TrimSuffix(line, []byte("\n"))
			e := Entry{Line: string(line)}
			if err := json.Unmarshal(line, &e); err != nil {
				return nil, fmt.Errorf("%s:%d: %w: %s", file, number, err, line)
			}
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return int(a.Seq) - int(b.Seq) })
	return all, nil
}

// Entries is the whole audit log so far, in order of seq. It is empty where
// nothing was logged.
func (d *Daemon) Entries() ([]Entry, error) { return readEntries(d.Log) }

// WaitEntry waits until the audit log has an entry that match wants, and returns
// the first such; an error where none comes in time.
func (d *Daemon) WaitEntry(limit time.Duration, match func(Entry) bool) (Entry, error) {
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		all, err := d.Entries()
		if err != nil {
			return Entry{}, err
		}
		if i := slices.IndexFunc(all, match); i >= 0 {
			return all[i], nil
		}
		if time.Now().After(deadline) {
			return Entry{}, fmt.Errorf("no such entry within %s among %d in %s", limit, len(all), d.Log)
		}
	}
}
