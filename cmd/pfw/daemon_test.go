package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pfw/daemon/api"
)

// answering is a daemon that gives one answer to everything, and notes what it was asked.
func answering(t *testing.T, status int, body string) (socket string, asked *string) {
	t.Helper()
	socket, asked = filepath.Join(t.TempDir(), "s"), new(string)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*asked = strings.TrimSpace(r.Method + " " + r.URL.String() + " " + string(text))
		if status != http.StatusOK {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			t.Error(err)
		}
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return socket, asked
}

const (
	refused = `{"type":"tag:pfw,2026:invalid-file","title":"The file is not valid","status":422,"detail":"fw.toml:2:1: bad\n    x\n    ^\n","errors":[{"file":"fw.toml","line":2,"column":1,"message":"bad"}]}` + "\n"
	broken  = `{"type":"tag:pfw,2026:invalid-file","title":"The file is not valid","status":422,"detail":"fw.toml:9:1: expectation fails\n","expectations":[{"packet":"in tcp -> :22","want":"allow","got":"block","rule":"default","ok":false,"file":"fw.toml","line":9}]}` + "\n"
	denied  = `{"type":"about:blank","title":"Forbidden","status":403,"detail":"user id 7 may not ask pfwd"}` + "\n"
	unclear = `{"type":"about:blank","title":"Bad Request","status":400,"detail":"unknown direction \"up\""}` + "\n"
	done    = `{"generation":7,"state":"ok","rules":12,"warnings":[{"file":"fw.toml","line":3,"column":1,"rule":"a","message":"rule a is a duplicate of rule b"}]}` + "\n"
	drop    = `{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":1,"event_type":"drop","direction":"in","in_iface":"eth0","proto":"TCP","src_ip":"203.0.113.7","src_port":40312,"dest_ip":"192.0.2.10","dest_port":23,"pfw":{"action":"block","rule":"no-telnet"}}` + "\n"
)

func TestDaemonAnswers(t *testing.T) {
	was := time.Local
	time.Local = time.UTC
	defer func() { time.Local = was }()
	for _, c := range []struct {
		args   string
		status int
		body   string
		asked  string
		code   int
		out    string
		err    string
	}{
		{"reload", 200, done, "GET /v1/status", 0, "policy in force: 12 rules, generation 7\n", "warning: fw.toml:3:1: rule \"a\": rule a is a duplicate of rule b\n"},
		{"reload --json", 200, done, "POST /v1/reload {}", 0, strings.Replace(done, `"rules":12,`, "", 1), ""},
		{"reload", 422, refused, "POST /v1/reload {}", 4, "", "fw.toml:2:1: bad\n    x\n    ^\n"},
		{"reload --json", 422, refused, "POST /v1/reload {}", 4, refused, "fw.toml:2:1: bad\n    x\n    ^\n"},
		{"reload", 422, broken, "POST /v1/reload {}", 5, "", "fw.toml:9:1: expectation fails\n"},
		{"reload --quiet", 200, done, "POST /v1/reload {}", 0, "", ""},
		{"reload --quiet", 422, refused, "POST /v1/reload {}", 4, "", ""},
		{"reload --quiet", 422, broken, "POST /v1/reload {}", 5, "", ""},
		{"reload --quiet", 403, denied, "POST /v1/reload {}", 1, "", "pfw: user id 7 may not ask pfwd\n"},
		{"status", 403, denied, "GET /v1/status", 1, "", "pfw: user id 7 may not ask pfwd\n"},
		{"status", 500, "{}", "GET /v1/status", 1, "", "pfw: pfwd answers 500 Internal Server Error\n"},
		{"status", 200, "tea", "GET /v1/status", 1, "", "pfw: read answer of pfwd: invalid character 'e' in literal true (expecting 'r')\n"},
		{"rules --all --json", 200, "{}", "GET /v1/rules?all=1", 0, `{"rules":null,"default":null}` + "\n", ""},
		{"show --nft", 200, `{"shape":"1 rule\n","nft":"table inet pfw {\n}\n"}`, "GET /v1/show", 0, "table inet pfw {\n}\n", ""},
		{"show", 200, `{"shape":"1 rule\n","nft":"table inet pfw {\n}\n"}`, "GET /v1/show", 0, "1 rule\n", ""},
		{"explain up tcp to :22", 400, unclear, `POST /v1/explain {"packet":"up tcp -> :22"}`, 2, "", "pfw: unknown direction \"up\"\n  hint: " + packetHint + "\n"},
		{"explain in tcp -> :22", 200, `{"packet":"in tcp -> :22","verdict":"block","rule":"banned","reason":"for a while","steps":[]}`,
			`POST /v1/explain {"packet":"in tcp -> :22"}`, 0, "BLOCK  in tcp -> :22\nalways in force, before any rule: banned: for a while\n", ""},
		{"explain forward tcp to :22 to eth1", 400, unclear, `POST /v1/explain {"packet":"forward tcp -> :22 to eth1"}`, 2, "", "pfw: unknown direction \"up\"\n  hint: " + packetHint + "\n"},
		{"monitor", 200, drop, "GET /v1/events?follow=1", 3,
			"2026-11-21 19:22:14 BLOCKED in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet\n", "pfw: pfwd is not reachable: it ended\n  hint: " + goneHint + "\n"},
		{"monitor --all --json", 200, drop, "GET /v1/events?all=1&follow=1", 3, drop, "pfw: pfwd is not reachable: it ended\n  hint: " + goneHint + "\n"},
		{"monitor --rule a,b --rule c --src 192.0.2.0/24 --dest 2001:db8::1 --port 8000-8100,ssh --direction in --action reject --proto tcp,58 --event drop,cut", 200, "",
			"GET /v1/events?action=reject&dest=2001%3Adb8%3A%3A1&direction=in&event_type=drop%2Ccut&follow=1&port=8000-8100%2C22&proto=tcp%2Cicmpv6&rule=a%2Cb%2Cc&src=192.0.2.0-192.0.2.255", 3,
			"", "pfw: pfwd is not reachable: it ended\n  hint: " + goneHint + "\n"},
		{"log", 200, drop + drop, "GET /v1/events?since=1970-01-01T00%3A00%3A00Z", 0,
			strings.Repeat("2026-11-21 19:22:14 BLOCKED in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet\n", 2), ""},
		{"log --json --lines 7 --since 2026-11-20 --until 2026-11-22T08:00:00.5+02:00 --src 192.0.2.7", 200, drop,
			"GET /v1/events?limit=7&since=2026-11-20T00%3A00%3A00Z&src=192.0.2.7&until=2026-11-22T08%3A00%3A00.5%2B02%3A00", 0, drop, ""},
		{"log --follow", 200, drop, "GET /v1/events?follow=1&limit=10&since=1970-01-01T00%3A00%3A00Z", 3,
			"2026-11-21 19:22:14 BLOCKED in tcp 203.0.113.7:40312 -> 192.0.2.10:23 eth0 rule=no-telnet\n", "pfw: pfwd is not reachable: it ended\n  hint: " + goneHint + "\n"},
		{"log --stats --json --until 2026-11-22", 200, drop, "GET /v1/events?since=1970-01-01T00%3A00%3A00Z&until=2026-11-22T00%3A00%3A00Z", 0,
			`{"since":"2026-11-21T19:22:14.123456Z","until":"2026-11-22T00:00:00.000000Z","entries":1,"packets":1,"unseen":0,"sources":[{"address":"203.0.113.7","count":1}],` +
				`"ports":[{"proto":"TCP","port":23,"count":1}],"rules":[{"rule":"no-telnet","count":1}]}` + "\n", ""},
		{"log", 200, drop[:40], "GET /v1/events?since=1970-01-01T00%3A00%3A00Z", 3, "", "pfw: pfwd is not reachable: it broke off\n  hint: " + goneHint + "\n"},
	} {
		socket, asked := answering(t, c.status, c.body)
		var out, err bytes.Buffer
		code := run(append([]string{"--socket", socket}, strings.Fields(c.args)...), &out, &err)
		if code != c.code || out.String() != c.out || err.String() != c.err {
			t.Errorf("pfw %s: exit status %d, want %d\nout  %q\nwant %q\nerr  %q\nwant %q", c.args, code, c.code, out.String(), c.out, err.String(), c.err)
		}
		if got := strings.ReplaceAll(*asked, `\u003e`, ">"); got != c.asked {
			t.Errorf("pfw %s asked %q, want %q", c.args, got, c.asked)
		}
	}
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var complaint bytes.Buffer
	socket, _ := answering(t, 200, done)
	if code := run([]string{"--socket", socket, "reload", "--json"}, full, &complaint); code != 1 || !strings.Contains(complaint.String(), "no space left") {
		t.Errorf("exit status %d, %s", code, complaint.String())
	}
}

func TestHints(t *testing.T) {
	var app app
	become := "become root, or a member of group pfw"
	for _, c := range []struct {
		err  error
		code int
		hint string
	}{
		{&os.PathError{Op: "open", Path: "/etc/pfw/firewall.toml", Err: os.ErrPermission}, 1, become},
		{fmt.Errorf("%w: %w", api.ErrUnreachable, syscall.EACCES), 3, become},
		{fmt.Errorf("%w: %w", api.ErrUnreachable, syscall.ECONNREFUSED), 3, goneHint},
		{&api.Problem{Status: 404, Detail: "there is no /v1/status"}, 1, "this pfwd is older than this pfw: systemctl restart pfwd"},
		{os.ErrNotExist, 1, ""},
	} {
		if code, hint := app.judge(c.err); code != c.code || hint != c.hint {
			t.Errorf("%v: %d, %q", c.err, code, hint)
		}
	}
}
