package systemd

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// calls are all that the daemon says, and what systemd is to read.
var calls = []struct {
	name string
	say  func() error
	want string // regular expression of the whole message
}{
	{"ready", func() error { return Notify{}.Ready("12 rules in force") }, `READY=1\nSTATUS=12 rules in force`},
	{"reloading", Notify{}.Reloading, `RELOADING=1\nMONOTONIC_USEC=[0-9]+`},
	{"status", func() error { return Notify{}.Status("4 faults") }, `STATUS=4 faults`},
	{"status of many lines", func() error { return Notify{}.Status("a\nREADY=1\n") }, `STATUS=a READY=1`},
	{"stopping", Notify{}.Stopping, `STOPPING=1`},
	{"watchdog", Notify{}.Watchdog, `WATCHDOG=1`},
}

func TestNotifySays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	for _, c := range calls {
		if err := c.say(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := string(b[:n]); !regexp.MustCompile(`\A` + c.want + `\z`).MatchString(got) {
			t.Errorf("%s: said %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNotifyWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	for _, c := range calls {
		if err := c.say(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNotifyTellsThatNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "missing"))
	for _, c := range calls {
		if err := c.say(); err == nil {
			t.Errorf("%s: no error, though there is no such socket", c.name)
		}
	}
}

func TestWatchdogInterval(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
		fails     bool
	}{
		{"", "", 0, false},
		{"30000000", "", 15 * time.Second, false},
		{"30000000", own, 15 * time.Second, false},
		{"30000000", "1", 0, false}, // meant for another process
		{"soon", own, 0, true},
		{"-1", own, 0, true},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		got, err := Notify{}.WatchdogInterval()
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %v, %v; want %v", c.usec, c.pid, got, err, c.want)
		}
	}
}
