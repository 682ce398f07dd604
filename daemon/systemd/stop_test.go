package systemd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

var errSilent = errors.New("no answer")

// fake is a systemd that answers as it is told; "" is no answer.
type fake struct{ state, unit, jobs string }

func (f fake) SystemStateContext(context.Context) (*dbus.Property, error) {
	if f.state == "" {
		return nil, errSilent
	}
	return &dbus.Property{Value: godbus.MakeVariant(f.state)}, nil
}

func (f fake) GetUnitNameByPID(context.Context, uint32) (string, error) {
	if f.unit == "" {
		return "", errSilent
	}
	return f.unit, nil
}

func (f fake) ListJobsContext(context.Context) (jobs []dbus.JobStatus, err error) {
	if f.jobs == "" {
		return nil, errSilent
	}
	for job := range strings.FieldsSeq(f.jobs) {
		if unit, kind, ok := strings.Cut(job, "="); ok {
			jobs = append(jobs, dbus.JobStatus{Unit: unit, JobType: kind})
		}
	}
	return jobs, nil
}

func TestReasonByWhatSystemdSays(t *testing.T) {
	for _, c := range []struct {
		state, unit, jobs string
		want              Reason
	}{
		{"running", "pfwd.service", "pfwd.service=stop", Stop},
		{"degraded", "pfwd.service", "pfwd.service=stop", Stop},
		{"running", "pfwd.service", "pfwd.service=restart", Restart},
		{"running", "pfwd.service", "pfwd.service=try-restart", Restart},
		{"running", "pfwd.service", "ssh.service=restart pfwd.service=stop", Stop},
		{"running", "pfwd.service", "ssh.service=stop pfwd.service=restart", Restart},
		{"running", "pfwd.service", "none", Stop}, // a person's kill
		{"running", "pfwd.service", "ssh.service=restart", Stop},
		{"running", "pfwd.service", "pfwd.service=start", Unknown},
		{"stopping", "pfwd.service", "pfwd.service=stop", Shutdown},
		{"stopping", "", "", Shutdown},
		{"", "pfwd.service", "pfwd.service=stop", Unknown},
		{"running", "", "pfwd.service=stop", Unknown},
		{"running", "pfwd.service", "", Unknown},
	} {
		got, err := ask(t.Context(), fake{c.state, c.unit, c.jobs})
		if got != c.want {
			t.Errorf("state %q, unit %q, jobs %q: %s, want %s", c.state, c.unit, c.jobs, got, c.want)
		}
		if (err != nil) != (c.want == Unknown) {
			t.Errorf("state %q, unit %q, jobs %q: %s with error %v", c.state, c.unit, c.jobs, got, err)
		}
	}
}

func TestStopWithoutSystemd(t *testing.T) {
	t.Setenv("INVOCATION_ID", "")
	if got, err := WhyStopping(t.Context()); got != Stop || err != nil {
		t.Errorf("%s, %v; want %s", got, err, Stop)
	}
}

func TestUnknownWhereTheBusIsSilent(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(net.Conn) // nil: there is no bus
	}{
		{"no bus", nil},
		{"bus that hangs up", func(c net.Conn) { c.Close() }},
		{"bus that says nothing", func(net.Conn) {}},
		{"bus that stops after the login", login},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bus")
			t.Setenv("INVOCATION_ID", "0123456789abcdef0123456789abcdef")
			t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+path)
			if c.serve != nil {
				bus(t, path, c.serve)
			}
			began := time.Now()
			got, err := WhyStopping(t.Context())
			if got != Unknown || err == nil {
				t.Errorf("%s, %v; want %s and why", got, err, Unknown)
			}
			if took := time.Since(began); took > patience+20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// bus is a message bus that treats each connection so, until the test ends.
func bus(t *testing.T, path string, serve func(net.Conn)) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
			serve(c)
		}
		for _, c := range held {
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
}

// login takes the client through the authentication of the D-Bus specification.
func login(c net.Conn) {
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		answer := "OK 0123456789abcdef0123456789abcdef"
		switch words := strings.Fields(strings.TrimLeft(lines.Text(), "\x00")); {
		case len(words) == 0:
			continue
		case words[0] == "NEGOTIATE_UNIX_FD":
			answer = "AGREE_UNIX_FD"
		case words[0] == "BEGIN":
			return
		case words[0] == "AUTH" && len(words) == 1:
			answer = "REJECTED EXTERNAL"
		}
		fmt.Fprintf(c, "%s\r\n", answer)
	}
}
