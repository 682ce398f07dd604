package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/daemon/audit"
	"pfw/daemon/names"
	"pfw/enforce"
	"pfw/enforce/nflog"
)

// BenchmarkEvents is the way of a blocked packet from the reader of the kernel's messages to its line in the file.
func BenchmarkEvents(b *testing.B) {
	dir := b.TempDir()
	log := slog.New(slog.DiscardHandler)
	sinks := audit.SinkOptions{File: filepath.Join(dir, "audit.jsonl"), MaxSize: 64 << 20, Keep: 1}
	entries, err := audit.Open(audit.Options{StateDir: dir, Sinks: sinks, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- entries.Run(ctx) }()
	ev := (&Daemon{log: log, audit: entries, accounts: newAccounts(), domains: &domains{book: names.NewBook()}}).newEvents()
	tag := enforce.Tag{Kind: enforce.ByDefault, Direction: policy.In, Action: policy.Block, Severity: policy.Low, Written: true}
	m := nflog.Message{
		Prefix: tag.String(), Hook: nflog.Input, InIface: "eth0", Timestamp: time.Now(),
		Packet: nflog.Packet{
			Source: netip.MustParseAddr("198.51.100.7"), Destination: netip.MustParseAddr("192.0.2.10"), Protocol: 17,
			SourcePort: 40000, DestinationPort: 53, HasPorts: true, Length: 60,
		},
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%4096 == 0 { // the way is to be measured, not the dropping
			for entries.Stats().File.Waiting > 8192 {
				time.Sleep(time.Millisecond)
			}
		}
		m.Packet.SourcePort++
		ev.logged(&m)
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if s := entries.Stats().File; s.Dropped > 0 {
		b.Errorf("%d dropped", s.Dropped)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
