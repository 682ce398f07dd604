package api

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pfw/daemon/audit"
)

// As long as the answer is read, whoever fetches is there; once it is closed, or they are gone, that is known.
func TestWhoFetchesIsKnownToBeGone(t *testing.T) {
	f := &fake{fetched: make(chan struct{})}
	c := NewClient(start(t, f, newGate()))
	v, done, err := c.BeginFetches(t.Context(), FetchRequest{Lists: []string{"feed"}})
	if err != nil || len(v.Fetches) != 1 || v.Fetches[0].URL != "https://key@example.org/" || v.Fetches[0].Ticket != "feed.1" {
		t.Fatalf("%+v, %v", v, err)
	}
	select {
	case <-f.fetched:
		t.Error("gone before it was")
	case <-time.After(300 * time.Millisecond):
	}
	if got, err := c.NoteFetch(t.Context(), "feed", FetchNote{Ticket: "feed.1", Error: "no"}); err != nil || got.Error != "no" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := done.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-f.fetched:
	case <-time.After(30 * time.Second):
		t.Error("it is not known to be gone")
	}
}

func TestATextIsHandedOver(t *testing.T) {
	path := start(t, &fake{}, newGate())
	c := NewClient(path)
	// Longer than any other request may be.
	text := strings.Repeat("x", maxBody+1)
	v, err := c.TakeCopy(t.Context(), "feed", Copy{Ticket: "feed.1", ETag: `"7"`, LastModified: "yes\r\nX: y", Shrunk: true}, []byte(text))
	if want := `{feed.1 "7"  true} <nil>`; err != nil || v.Entries != len(text) || v.Error != want {
		t.Errorf("%d, %q, %v, want %q", v.Entries, v.Error, err, want)
	}
	// Not a whole one.
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PUT /v1/fetches/feed HTTP/1.1\r\nHost: pfw\r\nContent-Length: 100\r\n\r\n192.0.2.1\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "unexpected EOF") {
		t.Errorf("%q, %v", answer, err)
	}
}

// The lists socket answers nothing else, and nobody else.
func TestListsSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lists.sock")
	l, err := ListenFetches(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v", info, err)
	}
	f := &fake{fetched: make(chan struct{})}
	f.Log, err = audit.Open(audit.Options{StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ServeFetches(ctx, l, f, slog.New(slog.DiscardHandler)) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	c := NewClient(path)
	if _, done, err := c.BeginFetches(t.Context(), FetchRequest{Due: true}); err != nil {
		t.Error(err)
	} else if err := done.Close(); err != nil {
		t.Error(err)
	}
	if p := problem(t, func() error { _, err := c.TakeCopy(t.Context(), "feed", Copy{Shrunk: true}, nil); return err }()); p.Status != http.StatusForbidden {
		t.Errorf("%+v", p)
	}
	if _, err := c.TakeCopy(t.Context(), "feed", Copy{}, nil); err != nil {
		t.Error(err)
	}
	_, statusErr := c.Status(t.Context())
	_, reloadErr := c.Reload(t.Context())
	_, banErr := c.Ban(t.Context(), BanRequest{Address: "192.0.2.7"})
	_, listsErr := c.Lists(t.Context())
	for what, err := range map[string]error{"status": statusErr, "reload": reloadErr, "ban": banErr, "lists": listsErr} {
		if p := problem(t, err); p.Status != http.StatusNotFound {
			t.Errorf("%s: %+v", what, p)
		}
	}
}

func TestStrangersAreNotReadOnTheListsSocket(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	nobody := picky{l, gate{group: func() (uint32, bool) { return 0, false }}, slog.New(slog.DiscardHandler)}
	ended := make(chan error, 1)
	go func() {
		_, err := nobody.Accept()
		ended <- err
	}()
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("a stranger is let in")
	}
}
