package api

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// said notes what the fake was asked.
func (f *fake) said(format string, args ...any) (Outcome, error) {
	f.asked = fmt.Sprintf(format, args...)
	return Outcome{Generation: 8, State: OK}, f.err
}

func (f *fake) Try(_ context.Context, who Caller, t Trial) (Outcome, error) {
	return f.said("try %q for %s force=%t by %v", t.Text, t.For, t.Force, who)
}

func (f *fake) Confirm(context.Context) (Outcome, error) { return f.said("confirm") }

func (f *fake) Revert(context.Context) (Outcome, error) { return f.said("revert") }

func (f *fake) Panic(_ context.Context, who Caller, a Alarm) (Outcome, error) {
	return f.said("panic on=%t for %s force=%t by %v", a.On, a.For, a.Force, who)
}

func TestTrialsAndAlarms(t *testing.T) {
	f := &fake{}
	path := start(t, f, newGate())
	c := NewClient(path)
	me := fmt.Sprintf("by {%d %d}", os.Geteuid(), os.Getpid())
	for _, x := range []struct {
		ask  func() (Outcome, error)
		want string
	}{
		{func() (Outcome, error) { return c.Try(t.Context(), Trial{"[log]\n", 90 * time.Second, true}) }, `try "[log]\n" for 1m30s force=true ` + me},
		{func() (Outcome, error) { return c.Confirm(t.Context()) }, "confirm"},
		{func() (Outcome, error) { return c.Revert(t.Context()) }, "revert"},
		{func() (Outcome, error) { return c.Panic(t.Context(), Alarm{On: true, For: 5 * time.Minute}) }, "panic on=true for 5m0s force=false " + me},
		{func() (Outcome, error) { return c.Panic(t.Context(), Alarm{On: true, Force: true}) }, "panic on=true for 0s force=true " + me},
		{func() (Outcome, error) { return c.Panic(t.Context(), Alarm{}) }, "panic on=false for 0s force=false " + me},
	} {
		v, err := x.ask()
		if err != nil || v.Generation != 8 || f.asked != x.want {
			t.Errorf("%s, want %s: %+v, %v", f.asked, x.want, v, err)
		}
	}
	for _, x := range []struct{ target, body, detail string }{
		{"/v1/try", `{"for":"60s"}`, `"text" is missing`},
		{"/v1/try", `{"text":""}`, `"for" is missing`},
		{"/v1/try", `{"text":"","for":"a while"}`, `"a while" is no duration`},
		{"/v1/try", `{"text":"","for":60}`, `cannot unmarshal number`},
		{"/v1/try", `{"text":"","for":"-60s"}`, `"-60s" is no duration`},
		{"/v1/try", `{"text":"","for":"25h"}`, `longer than 24h0m0s`},
		{"/v1/try", `{"text":"","for":"60s","file":"/etc/shadow"}`, `unknown field "file"`},
		{"/v1/confirm", `{"text":""}`, `unknown field "text"`},
		{"/v1/revert", `[]`, `cannot unmarshal`},
		{"/v1/panic", `{}`, `"on" is missing`},
		{"/v1/panic", `{"on":true,"for":"0s"}`, `"0s" is no duration`},
		{"/v1/panic", `{"on":false,"for":"5m"}`, `goes with "on": true`},
	} {
		status, _, text := raw(t, path, "POST", x.target, x.body)
		if status != http.StatusBadRequest || !strings.Contains(strings.ReplaceAll(text, `\"`, `"`), x.detail) {
			t.Errorf("%s %s: %d %s, want %s", x.target, x.body, status, text, x.detail)
		}
	}
}
