package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func (f *fake) PutRule(_ context.Context, name string, r RuleEdit, match string) (Edited, error) {
	o, err := f.said("put %s %q before=%s after=%s match=%s", name, r.TOML, r.Before, r.After, match)
	return Edited{Outcome: o, Rule: name, Change: Added, File: "/etc/pfw/firewall.toml", Line: 3}, err
}

func (f *fake) DeleteRule(_ context.Context, name, match string) (Edited, error) {
	o, err := f.said("delete %s match=%s", name, match)
	return Edited{Outcome: o, Rule: name, Change: Deleted}, err
}

func TestEdits(t *testing.T) {
	f := &fake{}
	c := NewClient(start(t, f, newGate()))
	file, err := c.Config(t.Context())
	if err != nil || file.ETag != `"7"` {
		t.Fatalf("%+v, %v", file, err)
	}
	v, err := c.PutRule(t.Context(), "a/b c", RuleEdit{"[[rule]]\n", "x", ""}, file.ETag)
	if want := `put a/b c "[[rule]]\n" before=x after= match="7"`; err != nil || f.asked != want || v.Line != 3 || v.Generation != 8 {
		t.Errorf("%+v, %v: %s, want %s", v, err, f.asked, want)
	}
	v, err = c.DeleteRule(t.Context(), "ssh", file.ETag)
	if want := `delete ssh match="7"`; err != nil || f.asked != want || v.Change != Deleted {
		t.Errorf("%+v, %v: %s, want %s", v, err, f.asked, want)
	}
}

func TestEditsWantToKnowWhatTheyChange(t *testing.T) {
	f := &fake{}
	path := start(t, f, newGate())
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	for _, x := range []struct {
		method, target, match, body string
		status                      int
		says                        string
	}{
		{"PUT", "/v1/rules/a", "", `{"toml":""}`, 428, "If-Match"},
		{"DELETE", "/v1/rules/a", "", "", 428, "If-Match"},
		{"PUT", "/v1/rules/a", `"7"`, `{"toml":"","after":"b"}`, 200, `"generation":8,"state":"ok","warnings":[],"rule":"a","change":"added","file":"/etc/pfw/firewall.toml","line":3`},
		{"DELETE", "/v1/rules/a", `"1", "7"`, "", 200, `"change":"deleted"`},
		{"PUT", "/v1/rules/a", `"7"`, `{}`, 400, `"toml" is missing`},
		{"PUT", "/v1/rules/a", `"7"`, `{"toml":"","before":"b","after":"c"}`, 400, "not both"},
		{"PUT", "/v1/rules/a", `"7"`, `{"toml":"","before":"a"}`, 400, "beside itself"},
		{"PUT", "/v1/rules/a", `"7"`, `{"toml":"","path":"x"}`, 400, `unknown field "path"`},
		{"DELETE", "/v1/rules/a?now=1", `"7"`, "", 400, `takes no "now"`},
		{"POST", "/v1/rules/a", `"7"`, "", 405, "takes DELETE, PUT"},
		{"PUT", "/v1/rules/", `"7"`, `{"toml":""}`, 404, "there is no /v1/rules/"},
	} {
		r, err := http.NewRequest(x.method, "http://pfw"+x.target, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		if x.match != "" {
			r.Header.Set("If-Match", x.match)
		}
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != x.status || !strings.Contains(strings.ReplaceAll(string(text), `\"`, `"`), x.says) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", x.method, x.target, x.body, answer.StatusCode, text, x.status, x.says)
		}
	}
	for _, x := range []struct {
		match string
		want  bool
	}{{`"7"`, true}, {`"1" , "7"`, true}, {"*", true}, {`W/"7"`, false}, {"7", true}, {"6, 7", true}, {"77", false}, {`"77"`, false}, {"", false}} {
		if Matches(x.match, `"7"`) != x.want {
			t.Errorf("%s: %v", x.match, !x.want)
		}
	}
}
