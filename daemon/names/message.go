package names

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// mostRecords bounds what is read of a message: an answer of fifty addresses is long, and 64 KiB may hold thousands.
const mostRecords = 512

// message is what matters of a message of the DNS.
type message struct {
	id       uint16
	response bool
	// recursive says that who asks leaves it to the server to find out.
	recursive bool
	// question is the name that is asked for, in lower case and without the last dot.
	question string
	records  []record
}

// record says that a name is another name for target, or that it has an address.
type record struct {
	name, target string
	address      netip.Addr
	ttl          time.Duration
}

var errQuestions = errors.New("not one question of class IN")

// parse reads a message. Records that it passes over are read only as far as to find the next one.
func parse(b []byte) (message, error) {
	var p dnsmessage.Parser
	header, err := p.Start(b)
	if err != nil {
		return message{}, err
	}
	m := message{id: header.ID, response: header.Response, recursive: header.RecursionDesired}
	q, err := p.Question()
	if err != nil {
		return message{}, err
	}
	if q.Class != dnsmessage.ClassINET {
		return message{}, errQuestions
	}
	m.question = plain(q.Name)
	if _, err := p.Question(); !errors.Is(err, dnsmessage.ErrSectionDone) {
		return message{}, errQuestions
	}
	if !m.response || header.RCode != dnsmessage.RCodeSuccess {
		return m, nil
	}
	for range mostRecords {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return message{}, err
		}
		r := record{name: plain(h.Name), ttl: time.Duration(h.TTL) * time.Second}
		switch {
		case h.Class != dnsmessage.ClassINET:
			err = p.SkipAnswer()
		case h.Type == dnsmessage.TypeA:
			var a dnsmessage.AResource
			a, err = p.AResource()
			r.address = netip.AddrFrom4(a.A)
		case h.Type == dnsmessage.TypeAAAA:
			var a dnsmessage.AAAAResource
			a, err = p.AAAAResource()
			r.address = netip.AddrFrom16(a.AAAA).Unmap()
		case h.Type == dnsmessage.TypeCNAME:
			var c dnsmessage.CNAMEResource
			c, err = p.CNAMEResource()
			r.target = plain(c.CNAME)
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			return message{}, err
		}
		if r.target != "" || r.address.IsValid() {
			m.records = append(m.records, r)
		}
	}
	return m, nil
}

// plain is a name as rules spell it.
func plain(n dnsmessage.Name) string {
	return strings.ToLower(strings.TrimSuffix(string(n.Data[:n.Length]), "."))
}
