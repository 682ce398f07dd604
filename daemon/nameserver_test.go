package daemon

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"pfw/e2e/hosts"
)

// zone is what a server of a test's own answers: by name, addresses and "CNAME name"; ttl is of all.
type zone struct {
	mu      sync.Mutex
	records map[string][]string
	ttl     uint32
	asked   map[string]int
	// reply, where it is set, gives the whole answer.
	reply func(q dnsmessage.Question, id uint16) []byte
}

func (z *zone) set(name string, records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = records
}

func (z *zone) replies(with func(q dnsmessage.Question, id uint16) []byte) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.reply = with
}

func (z *zone) answer(b []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	z.asked[name]++
	if z.reply != nil {
		return z.reply(q, h.ID)
	}
	h.Response, h.RecursionAvailable = true, true
	if z.records[name] == nil {
		h.RCode = dnsmessage.RCodeNameError
	}
	return build(h, q, z.ttl, z.chain(name)...)
}

// chain gives the records of a name, and of those that it is another name for, as resolvers do.
func (z *zone) chain(name string) (out [][2]string) {
	for _, r := range z.records[name] {
		out = append(out, [2]string{name, r})
		if target, ok := strings.CutPrefix(r, "CNAME "); ok {
			out = append(out, z.chain(target)...)
		}
	}
	return out
}

// build writes an answer; of addresses those that are asked for.
func build(h dnsmessage.Header, q dnsmessage.Question, ttl uint32, records ...[2]string) []byte {
	b := dnsmessage.NewBuilder(nil, h)
	b.EnableCompression()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	must(b.StartQuestions())
	must(b.Question(q))
	must(b.StartAnswers())
	for _, r := range records {
		head := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(r[0] + "."), Class: dnsmessage.ClassINET, TTL: ttl}
		if target, ok := strings.CutPrefix(r[1], "CNAME "); ok {
			must(b.CNAMEResource(head, dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target + ".")}))
			continue
		}
		switch a := netip.MustParseAddr(r[1]); {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			must(b.AResource(head, dnsmessage.AResource{A: a.As4()}))
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			must(b.AAAAResource(head, dnsmessage.AAAAResource{AAAA: a.As16()}))
		}
	}
	out, err := b.Finish()
	must(err)
	return out
}

// serveNames answers at port 53 of a host, over UDP and TCP.
func serveNames(t *testing.T, h *hosts.Host, records map[string][]string) *zone {
	t.Helper()
	z := &zone{records: maps.Clone(records), ttl: 300, asked: map[string]int{}}
	udp, err := h.ListenPacket("udp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := h.Listen("tcp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		if err := errors.Join(udp.Close(), tcp.Close()); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	serving.Go(func() {
		for b := make([]byte, 4096); ; {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			// Nobody waits for an answer that is lost.
			_, _ = udp.WriteTo(z.answer(b[:n]), from)
		}
	})
	serving.Go(func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			z.over(c)
		}
	})
	return z
}

// over answers one question over TCP, in pieces.
func (z *zone) over(c net.Conn) {
	defer c.Close()
	length := make([]byte, 2)
	if _, err := io.ReadFull(c, length); err != nil {
		return
	}
	b := make([]byte, binary.BigEndian.Uint16(length))
	if _, err := io.ReadFull(c, b); err != nil {
		return
	}
	out := z.answer(b)
	out = append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)
	for _, part := range [][]byte{out[:1], out[1 : len(out)/2], out[len(out)/2:]} {
		if _, err := c.Write(part); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond) // so that each goes by itself
	}
}
