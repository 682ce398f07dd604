package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pfw/e2e/hosts"
)

// The verbs that ask a daemon, as a person runs them: the real programs on a pair of test hosts. Each script has its own.
//
//	pfwd start FIREWALL.TOML   makes the hosts local (192.0.2.10, 2001:db8::10) and remote (.7), and starts pfwd on local; $PFW_SOCKET,
//	                           $CONFIG and $LOG name its files, $LOCAL its network
//	pfwd edit FIREWALL.TOML    replaces the rule file; pfwd stop, kill, restart end the process and start it again
//	listen HOST tcp ADDRESS    serves, so that there is something to reach
//	web HOST ADDRESS DIR       serves the files of a directory over http
//	connect HOST tcp ADDRESS open|refused|silent
//	                           tries from a host, and wants that outcome; of udp a packet is sent, and nothing wanted
//	ping HOST ADDRESS open|silent
//	on HOST PROGRAM ARGS...    runs a program in a host's network; stdout and stderr as of exec
//	logs REGEXP                waits until a line of the audit log matches
//	countries DAYS-AGO NETWORK=CODE...
//	                           puts a database of countries beside the rule file, as countries.mmdb
//	exits STATUS PROGRAM ARGS...
//	shows REGEXP pfw ARGS... -- COMMAND ARGS...
//	                           runs a pfw that follows until a line matches, while a command happens again and again
func TestOnlineScripts(t *testing.T) {
	hosts.Need(t, "nft", "jq", "nsenter")
	testscript.Run(t, testscript.Params{
		Dir: "testdata/online",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "pfwd": pfwd, "listen": listen, "web": web, "connect": connect, "ping": ping, "on": on, "logs": logs, "shows": shows,
			"countries": countries,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Values[sceneKey{}] = &scene{t: t, hosts: map[string]*hosts.Host{}, defers: e.Defer}
			return nil
		},
		RequireExplicitExec: true, RequireUniqueNames: true,
	})
}

// scene is what one script plays on.
type scene struct {
	t      *testing.T
	hosts  map[string]*hosts.Host
	daemon *hosts.Daemon
	defers func(func())
}

type sceneKey struct{}

func sceneOf(ts *testscript.TestScript, negative bool, args []string, least int, usage string) *scene {
	if negative || len(args) < least {
		ts.Fatalf("usage: %s", usage)
	}
	return ts.Value(sceneKey{}).(*scene)
}

func (s *scene) host(ts *testscript.TestScript, name string) *hosts.Host {
	h, ok := s.hosts[name]
	if !ok {
		ts.Fatalf("there is no host %q: pfwd start makes local and remote", name)
	}
	return h
}

// close ends something with the script.
func (s *scene) close(c interface{ Close() error }) {
	s.defers(func() {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.t.Errorf("close: %v", err)
		}
	})
}

func pfwd(ts *testscript.TestScript, negative bool, args []string) {
	s := sceneOf(ts, negative, args, 1, "pfwd start|edit FILE, pfwd stop|kill|restart")
	switch args[0] {
	case "start":
		s.setUp(ts, ts.ReadFile(args[1]))
		ts.Check(s.daemon.Start())
	case "edit":
		ts.Check(s.daemon.Edit(ts.ReadFile(args[1])))
	case "stop":
		ts.Check(s.daemon.Stop())
	case "kill":
		ts.Check(s.daemon.Kill())
	case "restart":
		ts.Check(s.daemon.Start())
	default:
		ts.Fatalf("pfwd %s: no such thing", args[0])
	}
}

func (s *scene) setUp(ts *testscript.TestScript, config string) {
	for _, name := range []string{"local", "remote"} {
		h, err := hosts.Create(name)
		ts.Check(err)
		s.hosts[name] = h
		s.close(h)
	}
	ts.Check(hosts.Join(hosts.End{Host: s.hosts["local"], Interface: "eth0", Addresses: hosts.Addresses("192.0.2.10/24", "2001:db8::10/64")},
		hosts.End{Host: s.hosts["remote"], Interface: "eth0", Addresses: hosts.Addresses("192.0.2.7/24", "2001:db8::7/64")}))
	daemon, err := hosts.Program("./cmd/pfwd")
	ts.Check(err)
	client, err := hosts.Program("./cmd/pfw")
	ts.Check(err)
	s.daemon, err = hosts.NewDaemon(s.hosts["local"], daemon, client, config)
	ts.Check(err)
	s.close(s.daemon)
	s.daemon.Env = []string{"TZ=UTC"}
	ts.Setenv("PFW_SOCKET", s.daemon.Socket)
	ts.Setenv("CONFIG", s.daemon.Config)
	ts.Setenv("LOG", s.daemon.Log)
	ts.Setenv("LOCAL", s.hosts["local"].Path())
}

func listen(ts *testscript.TestScript, negative bool, args []string) {
	s := sceneOf(ts, negative, args, 3, "listen HOST tcp ADDRESS")
	l, err := s.host(ts, args[0]).Listen(args[1], args[2])
	ts.Check(err)
	s.close(l)
	go func() { // ends when the listener is closed
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.close(c)
		}
	}()
}

func web(ts *testscript.TestScript, negative bool, args []string) {
	s := sceneOf(ts, negative, args, 3, "web HOST ADDRESS DIR")
	l, err := s.host(ts, args[0]).Listen("tcp", args[1])
	ts.Check(err)
	ended := make(chan error, 1)
	server := &http.Server{Handler: http.FileServer(http.Dir(ts.MkAbs(args[2])))}
	go func() { ended <- server.Serve(l) }()
	s.defers(func() {
		if err := server.Close(); err != nil {
			s.t.Error(err)
		}
		<-ended
	})
}

// silence is how long nothing must come back of what is blocked; success takes a moment on these hosts, and is waited for longer.
const silence = 400 * time.Millisecond

func connect(ts *testscript.TestScript, negative bool, args []string) {
	s := sceneOf(ts, negative, args, 3, "connect HOST tcp ADDRESS open|refused|silent, connect HOST udp ADDRESS")
	want := append(args, "")[3]
	limit := 5 * time.Second
	if want == "silent" {
		limit = silence
	}
	c, err := s.host(ts, args[0]).Dial(args[1], args[2], limit)
	if args[1] == "udp" {
		ts.Check(err)
		s.close(c)
		_, err = c.Write([]byte("hello"))
		ts.Check(err)
		return
	}
	got := "open"
	var failed net.Error
	switch {
	case err == nil:
		s.close(c)
	case errors.As(err, &failed) && failed.Timeout():
		got = "silent"
	case errors.Is(err, syscall.ECONNREFUSED):
		got = "refused"
	default:
		got = err.Error()
	}
	if got != want {
		ts.Fatalf("connect to %s: %s, want %s", args[2], got, want)
	}
}

func ping(ts *testscript.TestScript, negative bool, args []string) {
	s := sceneOf(ts, negative, args, 3, "ping HOST ADDRESS open|silent")
	to, err := netip.ParseAddr(args[1])
	ts.Check(err)
	limit := 5 * time.Second
	if args[2] == "silent" {
		limit = silence
	}
	err = s.host(ts, args[0]).Ping(netip.Addr{}, to, limit)
	if errors.Is(err, os.ErrDeadlineExceeded) == (args[2] == "open") {
		ts.Fatalf("ping %s: %v, want %s", to, err, args[2])
	}
}

func on(ts *testscript.TestScript, negative bool, args []string) {
	s := sceneOf(ts, negative, args, 2, "on HOST PROGRAM ARGS...")
	ts.Check(ts.Exec("nsenter", append([]string{"--net=" + s.host(ts, args[0]).Path()}, args[1:]...)...))
}

func logs(ts *testscript.TestScript, negative bool, args []string) {
	s := sceneOf(ts, negative, args, 1, "logs REGEXP")
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	deadline := time.Now().Add(10 * time.Second)
	for {
		text, err := os.ReadFile(s.daemon.Log)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			ts.Fatalf("%v", err)
		}
		for line := range strings.Lines(string(text)) {
			if pattern.MatchString(line) {
				return
			}
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no line of the audit log matches %s:\n%s", args[0], fmt.Sprint(string(text)))
		}
		time.Sleep(20 * time.Millisecond)
	}
}
