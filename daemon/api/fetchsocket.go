package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
)

// Fetcher is the user who fetches lists from the net. It may ask for what is to be fetched, on a socket of its own, and nothing
// else: whoever may use the control socket administers the firewall.
const Fetcher = "pfw-lists"

// ListenFetches makes the socket on which the lists to fetch are asked for. Anybody may connect, as its daemon cannot give it
// to another user; whoever may not ask is put out before a word is read.
func ListenFetches(path string) (net.Listener, error) {
	l, err := listen(path, open)
	if err != nil {
		return nil, fmt.Errorf("lists socket %s: %w", path, err)
	}
	return l, nil
}

// open lets everybody connect.
func open(path string) error { return os.Chmod(path, 0o666) }

// ServeFetches answers on that socket until ctx ends.
func ServeFetches(ctx context.Context, l net.Listener, b Backend, log *slog.Logger) error {
	g := newGate()
	g.fetcher = func() (uint32, bool) { return userID(Fetcher) }
	return serve(ctx, picky{l, g, log}, &server{ctx: ctx, backend: b, log: log, gate: g, bodyTime: bodyTime, only: []string{plans, copies}})
}

// picky closes the connections of those who may not ask.
type picky struct {
	net.Listener
	gate gate
	log  *slog.Logger
}

func (p picky) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if who, err := peerOf(c); err == nil && p.gate.admits(who) {
			return c, nil
		}
		if err := c.Close(); err != nil {
			p.log.Warn("lists socket", "err", err)
		}
	}
}

// userID finds a user; ok is false where there is none.
func userID(name string) (uid uint32, ok bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err == nil
}

// serves tells whether a path is answered on the socket.
func (s *server) serves(pattern string) bool {
	return s.only == nil || slices.Contains(s.only, pattern)
}
