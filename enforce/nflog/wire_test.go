package nflog

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"
)

// packetMessage is what the kernel sends of a packet, less what it says of the hardware.
func packetMessage(sequence uint32, packet []byte) []byte {
	be32 := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	b := request(group, 0, []attribute{
		{attrHook, []byte{8, 0, 1, 0}},
		{attrPrefix, []byte("pfw:rule\x00")},
		{attrIn, be32(7)},
		{attrPayload, packet},
		{attrTimestamp, binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, 1_700_000_000), 250_000)},
		{attrUID, be32(0)},
		{attrSequence, be32(sequence)},
	})
	binary.NativeEndian.PutUint16(b[4:], unix.NFNL_SUBSYS_ULOG<<8|msgPacket)
	return b
}

func datagramOf(messages ...[]byte) (all []byte) {
	for _, m := range messages {
		all = append(append(all, m...), make([]byte, align(len(m))-len(m))...)
	}
	done := make([]byte, messageHeader+4)
	binary.NativeEndian.PutUint32(done, uint32(len(done)))
	binary.NativeEndian.PutUint16(done[4:], unix.NLMSG_DONE)
	return append(all, done...)
}

func TestDatagram(t *testing.T) {
	s := &socket{log: slog.New(slog.DiscardHandler)}
	var got string
	s.datagram(datagramOf(packetMessage(5, ip4(17, 0, udp()...)), packetMessage(6, ip4(6, 0, tcp(2)...))), func(r *record) {
		got += fmt.Sprintf("%s %s %d>%d %v %v %v %d bytes at %s\n", r.prefix, r.hook, r.in, r.out, r.uid, r.gid, r.sequence, len(r.packet), r.timestamp.UTC())
	})
	want := `pfw:rule input 7>0 {0 true} {0 false} {5 true} 28 bytes at 2023-11-14 22:13:20.25 +0000 UTC
pfw:rule input 7>0 {0 true} {0 false} {6 true} 40 bytes at 2023-11-14 22:13:20.25 +0000 UTC
`
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// Whatever comes, it is read without a panic and without an end; a piece of a datagram gives its whole messages.
func FuzzDatagram(f *testing.F) {
	whole := datagramOf(packetMessage(1, ip4(17, 0, udp()...)), packetMessage(2, nil))
	for n := range len(whole) {
		f.Add(whole[:n])
	}
	s := &socket{log: slog.New(slog.DiscardHandler)}
	f.Fuzz(func(t *testing.T, b []byte) {
		bytes := 0
		s.datagram(b, func(r *record) { bytes += messageHeader + groupHeader + len(r.packet) + len(r.prefix) })
		if bytes > len(b) {
			t.Errorf("%d bytes in messages from %d", bytes, len(b))
		}
	})
}

func BenchmarkDatagram(b *testing.B) {
	var all [][]byte
	for i := range queueThreshold {
		all = append(all, packetMessage(uint32(i), ip4(17, 0, udp()...)))
	}
	datagram := datagramOf(all...)
	r := &Reader{socket: &socket{log: slog.New(slog.DiscardHandler)}, interfaces: interfaces{lookup: func(uint32) (string, error) { return "eth0", nil }}}
	b.ReportAllocs()
	for b.Loop() {
		r.socket.datagram(datagram, func(record *record) { r.deliver(record, func(*Message) {}) })
	}
	b.ReportMetric(float64(b.N*queueThreshold)/b.Elapsed().Seconds(), "messages/s")
}
