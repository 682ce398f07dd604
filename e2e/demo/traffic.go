package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"pfw/e2e/hosts"
)

// How long a sender waits for an answer.
const (
	// Where none is to come: long for a cable between two namespaces, and shorter
	// than the second after which TCP knocks again, so that a blocked connection
	// is one packet.
	short = 400 * time.Millisecond
	// Where one is to come, which a busy machine may make late.
	long = 10 * time.Second
)

// outcome is what the two ends saw of one attempt.
type outcome struct {
	verdict string // allow, block, reject: what a firewall between must have done
	seen    string // for a person
}

// send makes the attempt that a probe describes, from a source port.
func (n *network) send(p probe, source uint16, patience time.Duration) (outcome, error) {
	src, dst := p.ends(source)
	from := n.other
	if p.direction == "out" {
		from = n.laptop
	}
	switch p.kind {
	case kindTCP:
		return overTCP(from, src, dst, patience)
	case kindUDP:
		return overUDP(from, src, dst, patience)
	case kindPing:
		err := from.Ping(src.Addr(), dst.Addr(), patience)
		return seen("answered", patience, err)
	case kindDatagram:
		return n.datagram(from, src, dst, patience)
	default:
		panic(fmt.Sprintf("demo: probe kind %d", p.kind))
	}
}

func overTCP(from *hosts.Host, src, dst netip.AddrPort, patience time.Duration) (outcome, error) {
	dialer := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(src)}
	conn, err := from.DialWith(dialer, "tcp", dst.String())
	if err != nil {
		return seen("", patience, err)
	}
	return answer(conn, patience)
}

func overUDP(from *hosts.Host, src, dst netip.AddrPort, patience time.Duration) (outcome, error) {
	conn, err := from.DialWith(net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(src)}, "udp", dst.String())
	if err != nil {
		return outcome{}, err
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		o, err := seen("", patience, err)
		return o, errors.Join(err, conn.Close())
	}
	return answer(conn, patience)
}

// answer reads what the other end has to say, and hangs up.
func answer(conn net.Conn, patience time.Duration) (outcome, error) {
	err := conn.SetReadDeadline(time.Now().Add(patience))
	buf, n := make([]byte, 512), 0
	if err == nil {
		n, err = conn.Read(buf)
	}
	o, err := seen(fmt.Sprintf("answered %q", buf[:n]), patience, err)
	return o, errors.Join(err, conn.Close())
}

// datagram sends what is not answered, and looks whether it came in.
func (n *network) datagram(from *hosts.Host, src, dst netip.AddrPort, patience time.Duration) (o outcome, err error) {
	if dst.Addr().IsLinkLocalMulticast() && dst.Addr().Is6() {
		dst = netip.AddrPortFrom(dst.Addr().WithZone(n.scope), dst.Port())
	}
	conn, err := from.ListenPacket("udp", src.String())
	if err != nil {
		return outcome{}, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	text := fmt.Sprintf("hello %d", time.Now().UnixNano())
	if _, err := conn.WriteTo([]byte(text), net.UDPAddrFromAddrPort(dst)); err != nil {
		return outcome{}, err
	}
	timeout := time.After(patience)
	for {
		select {
		case got := <-n.arrived:
			if got == text {
				return outcome{"allow", "came in"}, nil
			}
		case <-timeout:
			return outcome{"block", "did not come in"}, nil
		}
	}
}

// seen reads an outcome from the error of the attempt; one that a firewall does
// not cause is an error.
func seen(answer string, patience time.Duration, err error) (outcome, error) {
	var late net.Error
	switch {
	case err == nil:
		return outcome{"allow", answer}, nil
	case errors.As(err, &late) && late.Timeout():
		return outcome{"block", fmt.Sprintf("no answer in %s", patience)}, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return outcome{"reject", "refused at once"}, nil
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EPERM):
		return outcome{"reject", "refused at once, as prohibited"}, nil
	default:
		return outcome{}, err
	}
}
