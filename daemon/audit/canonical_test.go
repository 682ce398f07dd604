package audit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWhatIsWrittenIsCanonical(t *testing.T) {
	for _, c := range golden {
		var e Entry
		if escaped := strings.Contains(c.line, `\`) || strings.Contains(c.line, "ü"); e.decodeCanonical([]byte(c.line)) == escaped {
			t.Errorf("%s: canonical is %v", c.name, !escaped)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := anyEntry(t)
		line := want.AppendJSON(nil)
		var e Entry
		if plain := !strings.ContainsFunc(string(line), func(r rune) bool { return r == '\\' || r > '~' }); e.decodeCanonical(line) != plain {
			t.Errorf("%s: canonical is %v", line, !plain)
		}
	})
}

// Lines that are nearly as they are written, and right all the same or not at all.
func TestNearlyCanonical(t *testing.T) {
	const line = `{"timestamp":"2026-11-21T19:22:14.123456+0000","seq":123,"event_type":"drop","src_port":40312,"pfw":{"action":"block"}}`
	for _, c := range []struct{ old, new string }{
		{"11-21", "13-21"}, {"11-21", "11-31"}, {"2026", "0000"}, {"19:22", "24:22"}, {"19:22", "19.22"}, {"2026", "+026"}, {"+0000", "+0100"}, {"T", "t"},
		{"123,", "0,"}, {"123,", "-1,"}, {"123,", "0123,"}, {"123,", "18446744073709551616,"}, {"123,", ","}, {"123,", "1e2,"},
		{"drop", "drip"}, {"40312", "65536"}, {"block", ""}, {"block", `\u0062`}, {"block", "bl\x00ck"}, {`{"action":"block"}`, `{}}`}, {`}}`, `},"x":1}`}, {`}}`, `}`}, {`}}`, `}} `},
		{`{"action"`, `{,"action"`}, {`"pfw"`, `"flow":{},"pfw"`}, {`,"seq"`, `, "seq"`},
	} {
		text := strings.Replace(line, c.old, c.new, 1)
		var e Entry
		if e.decodeCanonical([]byte(text)) {
			t.Errorf("canonical: %s", text)
		}
	}
	var e Entry
	if !e.decodeCanonical([]byte(line)) {
		t.Error("the line itself is not canonical")
	}
}

func FuzzCanonical(f *testing.F) {
	for _, c := range golden {
		f.Add([]byte(c.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var e, want Entry
		if !e.decodeCanonical(line) {
			return
		}
		if err := want.decode(line); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if d := cmp.Diff(want, e, equalNet, equalPrefix); d != "" {
			t.Fatalf("%q: %s", line, d)
		}
	})
}
