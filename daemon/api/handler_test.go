package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pfw/config"
)

// raw speaks HTTP as another program would.
func raw(t *testing.T, path, method, target, body string) (status int, header http.Header, text string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) },
	}}
	r, err := http.NewRequest(method, "http://pfw"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	out, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(out)
}

func TestAnswers(t *testing.T) {
	path := start(t, &fake{}, newGate())
	for _, c := range []struct{ method, target, body, want string }{
		{"GET", "/v1/status", "", `{"state":"ok","since":"2026-11-21T18:22:14.000000Z","generation":7,"file":"/etc/pfw/firewall.toml","version":"","rules":0,` +
			`"default":{"inbound":"","outbound":"","forward":""},"lists":[],"bans":0,"packets":{"allowed":0,"blocked":0},"events":{"logged":0,"suppressed":0,"lost":0},"faults":[],"notices":[]}`},
		{"GET", "/v1/rules", "", `{"rules":[{"name":"ssh","action":"","direction":"","enabled":false,"text":"","packets":3,"bytes":0,"file":"","line":0}],"default":[]}`},
		{"GET", "/v1/rules?all=1", "", `{"rules":[{"name":"ssh","action":"","direction":"","enabled":false,"text":"","packets":3,"bytes":0,"file":"","line":0}],"default":[],` +
			`"always":[{"name":"loopback","text":"","packets":0,"bytes":0}]}`},
		{"GET", "/v1/show", "", `{"shape":"1 rule","nft":"table inet pfw"}`},
		{"GET", "/v1/config", "", `{"file":"/etc/pfw/firewall.toml","text":"[default]\n","more":[]}`},
		{"POST", "/v1/check", `{"text":""}`, `{"file":"","valid":true,"errors":[],"warnings":[],"expectations":[]}`},
		{"POST", "/v1/explain", `{"packet":"in tcp 1.2.3.4 -> :22"}`, `{"packet":"in tcp 1.2.3.4 -> :22","verdict":"allow","rule":"","reason":"","steps":[]}`},
		{"POST", "/v1/explain", `{"seq":12}`, `{"packet":"in tcp -> :22","verdict":"","rule":"","reason":"","steps":[],` +
			`"entry":{"timestamp":"0001-01-01T00:00:00.000000+0000","seq":12,"event_type":"drop","pfw":{}}}`},
		{"POST", "/v1/reload", ``, `{"generation":8,"state":"ok","warnings":[]}`},
		{"POST", "/v1/reload", `{}`, `{"generation":8,"state":"ok","warnings":[]}`},
		{"GET", "/v1/metrics", "", "pfw_bans 3"},
		{"GET", "/v1/lists", "", `{"lists":[{"name":"lan","entries":6,"ranges":6,"skipped":0,"skipped_lines":[],"masked":0,"kind":"built in","source":"built in","packets":12}]}`},
		{"GET", "/v1/bans", "", `{"bans":[{"address":"2001:db8::/64","until":"2026-11-21T20:22:14.000000Z","since":"2026-11-21T19:22:14.000000Z","reason":"by hand"}]}`},
		{"POST", "/v1/bans", `{"address":"192.0.2.7","for":"90s","reason":"\u001b[2J"}`,
			`{"bans":[{"address":"192.0.2.7","until":"2026-11-21T19:23:44.000000Z","since":"2026-11-21T19:22:14.000000Z","reason":"\u001b[2J"}]}`},
		{"DELETE", "/v1/bans/2001:db8::%2F64", "", `{"bans":[{"address":"2001:db8::/64","since":"0001-01-01T00:00:00.000000Z","reason":""}]}`},
		{"GET", "/v1/events", "", ""},
	} {
		status, header, text := raw(t, path, c.method, c.target, c.body)
		if diff := cmp.Diff(c.want, strings.TrimSuffix(text, "\n")); status != 200 || diff != "" {
			t.Errorf("%s %s: %d\n%s", c.method, c.target, status, diff)
		}
		if got := header.Get("ETag"); (got != "") != (c.target == "/v1/config") {
			t.Errorf("%s: ETag %q", c.target, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	path := start(t, &fake{}, newGate())
	for _, c := range []struct {
		method, target, body string
		status               int
		detail               string
	}{
		{"GET", "/", "", 404, "there is no /"},
		{"GET", "/v1/nothing", "", 404, "there is no /v1/nothing"},
		{"DELETE", "/v1/status", "", 405, "/v1/status takes GET, not DELETE"},
		{"GET", "/v1/reload", "", 405, "/v1/reload takes POST, not GET"},
		{"GET", "/v1/rules?al=1", "", 400, `takes no "al"`},
		{"GET", "/v1/rules?all=yes", "", 400, "neither 1 nor 0"},
		{"POST", "/v1/check", `{}`, 400, `"text" is missing`},
		{"POST", "/v1/check", `{"text":"","path":"/etc/shadow"}`, 400, `unknown field "path"`},
		{"POST", "/v1/check", `{"text":""} {}`, 400, "more than one"},
		{"POST", "/v1/check", `{"text":7}`, 400, "cannot unmarshal number"},
		{"POST", "/v1/check", `{"text":"` + strings.Repeat("x", maxBody) + `"}`, 413, "larger than 8 MiB"},
		{"POST", "/v1/explain", `{}`, 400, `one of "packet" and "seq" is wanted`},
		{"POST", "/v1/explain", `{"seq":12,"packet":"in tcp -> :22"}`, 400, `one of "packet" and "seq" is wanted`},
		{"POST", "/v1/explain", `{"seq":-1}`, 400, "cannot unmarshal number -1"},
		{"POST", "/v1/explain", `{`, 400, "unexpected EOF"},
		{"POST", "/v1/reload?now=1", ``, 400, `takes no "now"`},
		{"POST", "/v1/bans", `{"for":"1h"}`, 400, `"address" is missing`},
		{"POST", "/v1/bans", `{"address":"192.0.2.7"}`, 400, `"for" is missing`},
		{"POST", "/v1/bans", `{"address":"192.0.2.7","for":"0s"}`, 400, `for "0s": no duration of at least 1s`},
		{"POST", "/v1/bans", `{"address":"192.0.2.7","for":"-1h"}`, 400, `for "-1h": no duration`},
		{"POST", "/v1/bans", `{"address":"192.0.2.7","for":"2d"}`, 400, `for "2d": no duration`},
		{"POST", "/v1/bans", `{"address":"192.0.2.7","for":"1h","reason":"` + strings.Repeat("x", 300) + `"}`, 400, "the reason has 300 bytes, and 256 is the most"},
		{"POST", "/v1/bans", `{"address":"192.0.2.7","for":"1h","ever":true}`, 400, `unknown field "ever"`},
		{"GET", "/v1/bans/192.0.2.7", "", 405, "takes DELETE, not GET"},
		{"DELETE", "/v1/bans", "", 405, "takes GET, POST, not DELETE"},
		{"DELETE", "/v1/bans/", "", 404, "there is no /v1/bans/"},
	} {
		status, header, text := raw(t, path, c.method, c.target, c.body)
		if status != c.status || header.Get("Content-Type") != "application/problem+json" || !strings.Contains(text, strings.ReplaceAll(c.detail, `"`, `\"`)) {
			t.Errorf("%s %s: %d %s %s, want %d with %q", c.method, c.target, status, header.Get("Content-Type"), text, c.status, c.detail)
		}
		if allow := header.Get("Allow"); (allow != "") != (status == 405) {
			t.Errorf("%s %s: Allow %q", c.method, c.target, allow)
		}
	}
}

func TestErrorsOfTheDaemon(t *testing.T) {
	f := &fake{}
	path := start(t, f, newGate())
	c := NewClient(path)
	for _, x := range []struct {
		err    error
		status int
		typ    string
		detail string
	}{
		{errors.New("replace table: device or resource busy"), 500, "about:blank", "replace table: device or resource busy"},
		{&RequestError{errors.New("the packet has no protocol")}, 400, "about:blank", "the packet has no protocol"},
		{errBad, 422, InvalidFile, "firewall.toml:2:5: action: unknown word \"drop\"\n"},
		{context.Canceled, 503, "about:blank", "the daemon is about to end"},
	} {
		f.err = x.err
		_, err := c.Reload(t.Context())
		p := problem(t, err)
		if p.Status != x.status || p.Type != x.typ || p.Detail != x.detail {
			t.Errorf("%v: %+v", x.err, p)
		}
		if x.err == error(errBad) && (len(p.Errors) != 1 || p.Errors[0].Line != 2 || p.ExpectationOnly()) {
			t.Errorf("errors %+v", p.Errors)
		}
	}
	f.err = &config.Errors{Expectations: []config.Expectation{{Packet: "in tcp -> :22", Want: "allow", Got: "block"}}}
	_, err := c.Reload(t.Context())
	if p := problem(t, err); !p.ExpectationOnly() {
		t.Errorf("a failed expectation is answered with %+v", p)
	}
}

func TestPanicIsContained(t *testing.T) {
	f := &fake{panics: true}
	c := NewClient(start(t, f, newGate()))
	_, err := c.Status(t.Context())
	if p := problem(t, err); p.Status != 500 {
		t.Errorf("got %+v", p)
	}
	f.panics = false
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	path := t.TempDir() + "/control.sock"
	if _, err := NewClient(path).Status(t.Context()); !errors.Is(err, ErrUnreachable) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	// A daemon that is stopped: the kernel connects, and nobody answers.
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50_000_000)
	defer cancel()
	if _, err := NewClient(path).Status(ctx); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

// A file that is refused for an expectation alone has no errors, as in check: a list of none, and not nothing.
func TestInvalidFileHasBothLists(t *testing.T) {
	text, err := Encode(ProblemOf(&config.Errors{Expectations: []config.Expectation{{Packet: "in tcp -> :22"}}}))
	if err != nil || !strings.Contains(string(text), `"errors":[],"expectations":[{"packet":"in tcp -> :22",`) {
		t.Errorf("%s, %v", text, err)
	}
	text, err = Encode(NewProblem(http.StatusNotFound, "x", "y"))
	if want := `{"type":"about:blank","title":"Not Found","status":404,"detail":"x","hint":"y"}` + "\n"; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
}
