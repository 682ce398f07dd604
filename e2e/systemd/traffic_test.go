package systemd_test

import (
	"errors"
	"net"
	"time"
)

// listen opens a TCP port on the machine until the part of the story is over.
func (b *booted) listen(port string) {
	b.t.Helper()
	l, err := b.local.Listen("tcp", net.JoinHostPort(localIP, port))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.t.Error(err)
		}
	})
}

// reach connects to the machine from outside, where that is to succeed.
func (b *booted) reach(port string) error { return b.dial(port, 5*time.Second) }

// knock is the same where nobody is to answer.
func (b *booted) knock(port string) error { return b.dial(port, 700*time.Millisecond) }

func (b *booted) dial(port string, limit time.Duration) error {
	conn, err := b.remote.Dial("tcp", net.JoinHostPort(localIP, port), limit)
	if err != nil {
		return err
	}
	return conn.Close()
}

// timedOut says that nobody answered, not even with a refusal.
func timedOut(err error) bool {
	var answer net.Error
	return errors.As(err, &answer) && answer.Timeout()
}

// flood sends packets that must be blocked until the function that it returns is called, which says whether one arrived.
func (b *booted) flood() (check func()) {
	b.t.Helper()
	const target = localIP + ":9999"
	sink, err := b.local.ListenPacket("udp", target)
	if err != nil {
		b.t.Fatal(err)
	}
	source, err := b.remote.Dial("udp", target, time.Second)
	if err != nil {
		b.t.Fatal(err)
	}
	stop, sent := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		// An end, should the test die before it asks for one.
		for n < 500_000 {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
			}
			if _, err := source.Write([]byte("flood")); err == nil {
				n++
			}
		}
	}()
	return func() {
		b.t.Helper()
		close(stop)
		if n := <-sent; n < 100 {
			b.t.Errorf("only %d packets were sent", n)
		}
		if err := sink.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			b.t.Error(err)
		}
		if _, from, err := sink.ReadFrom(make([]byte, 16)); err == nil {
			b.t.Errorf("a packet from %s got through", from)
		}
		if err := errors.Join(sink.Close(), source.Close()); err != nil {
			b.t.Error(err)
		}
	}
}

// logIn connects to a server of the machine that is about to listen, and waits until the server has the connection.
func (b *booted) logIn(address string) (conn net.Conn) {
	b.t.Helper()
	b.await(10*time.Second, "a server at "+address, func() bool {
		var err error
		conn, err = b.remote.Dial("tcp", address, time.Second)
		return err == nil
	})
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		b.t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 16)); err != nil {
		b.t.Fatalf("no greeting: %v", err)
	}
	return conn
}

// session opens an ssh connection, of sorts; the function that it returns says whether it still lives.
func (b *booted) session() (check func()) {
	b.t.Helper()
	l, err := b.local.Listen("tcp", localIP+":22")
	if err != nil {
		b.t.Fatal(err)
	}
	client, err := b.remote.Dial("tcp", localIP+":22", 5*time.Second)
	if err != nil {
		b.t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	return func() {
		b.t.Helper()
		for _, end := range [][2]net.Conn{{client, server}, {server, client}} {
			if _, err := end[0].Write([]byte("still here")); err != nil {
				b.t.Errorf("write to the open connection: %v", err)
			}
			if err := end[1].SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				b.t.Error(err)
			}
			if _, err := end[1].Read(make([]byte, 16)); err != nil {
				b.t.Errorf("read from the open connection: %v", err)
			}
		}
		if err := errors.Join(client.Close(), server.Close(), l.Close()); err != nil {
			b.t.Error(err)
		}
	}
}
