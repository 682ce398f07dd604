package hosts

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// notices is the supervisor's end of sd_notify(3): it keeps every assignment
// that a daemon sends, in order.
type notices struct {
	conn *net.UnixConn
	done chan struct{}

	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed and replaced at each message
}

func listenNotices(path string) (*notices, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen for notifications: %w", err)
	}
	n := &notices{conn: conn, done: make(chan struct{}), changed: make(chan struct{})}
	go n.read()
	return n, nil
}

func (n *notices) read() {
	defer close(n.done)
	buf := make([]byte, 64<<10)
	for {
		size, err := n.conn.Read(buf)
		if err != nil {
			return // closed
		}
		n.mu.Lock()
		n.lines = append(n.lines, strings.Split(strings.TrimRight(string(buf[:size]), "\n"), "\n")...)
		close(n.changed)
		n.changed = make(chan struct{})
		n.mu.Unlock()
	}
}

func (n *notices) close() error {
	err := n.conn.Close()
	<-n.done
	return err
}

// all is what came so far, and a channel that closes when there is more.
func (n *notices) all() ([]string, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.lines...), n.changed
}

var errNoNotice = errors.New("no such notification in time")

// wait waits for an assignment that starts with prefix at index from or later
// and returns its index. It gives up when the time is over or gone is closed.
func (n *notices) wait(from int, prefix string, limit time.Duration, gone <-chan struct{}) (int, error) {
	timeout := time.After(limit)
	for {
		lines, changed := n.all()
		for i := from; i < len(lines); i++ {
			if strings.HasPrefix(lines[i], prefix) {
				return i, nil
			}
		}
		select {
		case <-changed:
		case <-gone:
			return 0, fmt.Errorf("wait for %q: the daemon is gone", prefix)
		case <-timeout:
			return 0, fmt.Errorf("wait for %q: %w", prefix, errNoNotice)
		}
	}
}
