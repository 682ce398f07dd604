package daemon

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"pfw/e2e/hosts"
)

const feedURL = "http://192.0.2.10:8000/feed"

// feedFile blocks what is in a list from the net, and lets in to port 80 and to the server of the list.
const feedFile = blockAll + `
[list.feed]
url = "` + feedURL + `"
insecure = true
[[rule]]
name = "feed"
action = "block"
direction = "in"
remote = "@feed"
[[rule]]
name = "web"
action = "allow"
direction = "in"
protocol = "tcp"
port = [80, 8000]
`

// site is a server of lists that a test has answer as it likes.
type site struct {
	handler atomic.Pointer[http.HandlerFunc]
	server  *http.Server
}

// serveLists makes one on a host.
func serveLists(t *testing.T, h *hosts.Host) *site {
	t.Helper()
	l, err := h.Listen("tcp", ":8000")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{}
	s.gives("")
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load())(w, r) })}
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(l) }()
	t.Cleanup(func() {
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return s
}

func (s *site) does(h http.HandlerFunc) { s.handler.Store(&h) }

// gives has it answer a text.
func (s *site) gives(text string) {
	s.does(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text) // who asked may be gone
	})
}
