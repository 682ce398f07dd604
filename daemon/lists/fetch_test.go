package lists

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

const text = "192.0.2.0/24\n198.51.100.7\n"

// patient are limits of tests in which nothing is to be late.
var patient = limits{connect: time.Minute, header: time.Minute, whole: 2 * time.Minute, pace: time.Minute, slowest: 1}

// hasty are limits of tests in which a text is.
var hasty = limits{connect: time.Minute, header: time.Minute, whole: 2 * time.Minute, pace: 200 * time.Millisecond, slowest: 1 << 10}

func serve(t *testing.T, secure bool, answer http.HandlerFunc) (url string, roots *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(answer)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if !secure {
		s.Start()
		t.Cleanup(s.Close)
		return s.URL, nil
	}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, roots
}

func say(t *testing.T, w io.Writer, parts ...string) {
	t.Helper()
	for _, s := range parts {
		// Whoever asked may have had enough of it.
		_, _ = io.WriteString(w, s)
	}
}

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstandard(t *testing.T, s string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(s), nil))
}

// What servers do, and what becomes of it.
func TestFetch(t *testing.T) {
	bomb := gzipped(t, strings.Repeat("\n", 10<<20))
	for _, c := range []struct {
		what   string
		answer func(w http.ResponseWriter, r *http.Request)
		want   string // the text, or with ! before it the error
	}{
		{"a text", func(w http.ResponseWriter, _ *http.Request) { say(t, w, text) }, text},
		{"nothing", func(http.ResponseWriter, *http.Request) {}, ""},
		{"no last line feed", func(w http.ResponseWriter, _ *http.Request) { say(t, w, "192.0.2.1") }, "192.0.2.1"},
		{"gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); say(t, w, text) }, "!the server answers 404 Not Found"},
		{"a mistake", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "!the server answers 500 Internal Server Error"},
		{"a part", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); say(t, w, text) }, "!the server answers 206 Partial Content"},
		{"unchanged, unasked", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, "!the server answers 304 Not Modified"},
		{"gzip on the way", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			say(t, w, gzipped(t, text))
		}, text},
		{"zstd on the way", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "zstd")
			say(t, w, zstandard(t, text))
		}, text},
		{"a gzip file", func(w http.ResponseWriter, _ *http.Request) { say(t, w, gzipped(t, text)) }, text},
		{"a zstd file", func(w http.ResponseWriter, _ *http.Request) { say(t, w, zstandard(t, text)) }, text},
		{"a gzip file, packed on the way", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			say(t, w, gzipped(t, gzipped(t, text)))
		}, text},
		{"packed otherwise", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			say(t, w, text)
		}, `!it is packed as "br", which is neither gzip nor zstd`},
		{"not packed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			say(t, w, text)
		}, "!the server says that it is packed as gzip, and it is not"},
		{"cut short, packed", func(w http.ResponseWriter, _ *http.Request) {
			whole := gzipped(t, text)
			say(t, w, whole[:len(whole)-4])
		}, "!unpack: unexpected EOF"},
		{"damaged, packed", func(w http.ResponseWriter, _ *http.Request) {
			whole := gzipped(t, text)
			say(t, w, whole[:len(whole)-8], "12345678")
		}, "!unpack: gzip: invalid checksum"},
		{"cut short, packed by zstd", func(w http.ResponseWriter, _ *http.Request) {
			whole := zstandard(t, text)
			say(t, w, whole[:len(whole)-4])
		}, "!unpack: unexpected EOF"},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			say(t, w, text)
		}, "!unexpected EOF"},
		{"cut short, in chunks", func(w http.ResponseWriter, _ *http.Request) {
			say(t, w, text)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "!unexpected EOF"},
		{"too long", func(w http.ResponseWriter, _ *http.Request) { say(t, w, strings.Repeat("x", 1<<20+1)) }, "!it is larger than 1 MiB"},
		{"as long as it may be", func(w http.ResponseWriter, _ *http.Request) { say(t, w, strings.Repeat("\n", 1<<20)) }, strings.Repeat("\n", 1<<20)},
		{"without end", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				say(t, w, strings.Repeat("192.0.2.1\n", 1000))
			}
		}, "!it is larger than 1 MiB"},
		{"a bomb", func(w http.ResponseWriter, _ *http.Request) { say(t, w, bomb) }, "!it is larger than 1 MiB"},
		{"a bomb of zstd", func(w http.ResponseWriter, _ *http.Request) { say(t, w, zstandard(t, strings.Repeat("\n", 10<<20))) }, "!it is larger than 1 MiB"},
		{"a bomb in a bomb", func(w http.ResponseWriter, _ *http.Request) { say(t, w, gzipped(t, bomb)) }, "!it is larger than 1 MiB"},
		{"sent in a circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) },
			"!the server sends elsewhere more than 5 times"},
		{"sent elsewhere", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/there" {
				http.Redirect(w, r, "/there", http.StatusMovedPermanently)
				return
			}
			if r.Referer() != "" {
				t.Errorf("the other server is told %s", r.Referer())
			}
			say(t, w, text)
		}, text},
		{"sent to a file", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		},
			`!the server sends to "file", which is neither https nor http`},
		{"no http", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			say(t, conn, "hello\n")
			_ = conn.Close()
		}, "!net/http: HTTP/1.x transport connection broken: malformed HTTP response"},
		{"a long header", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, "!net/http: HTTP/1.x transport connection broken: net/http: server response headers exceeded 65536 bytes"},
		{"an end that may be none", func(w http.ResponseWriter, _ *http.Request) { untilClosed(t, w, text+"10.0.0.0/2") }, "!it ends within a line, and the server does not say how long it is"},
		{"an end that may be one", func(w http.ResponseWriter, _ *http.Request) { untilClosed(t, w, text) }, text},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			url, _ := serve(t, false, c.answer)
			a, err := patient.fetch(t.Context(), Request{URL: url + "/key?token=secret", Insecure: true, Most: 1 << 20})
			got := string(a.Text)
			if err != nil {
				got = "!" + err.Error()
			}
			if got != c.want && (c.want == "" || c.want[0] != '!' || !strings.HasPrefix(got, c.want)) {
				t.Errorf("got %.200q, want %.200q", got, c.want)
			}
			if strings.Contains(got, "secret") {
				t.Errorf("the error has what may be secret: %s", got)
			}
		})
	}
}

// untilClosed answers as servers of old do.
func untilClosed(t *testing.T, w http.ResponseWriter, body string) {
	t.Helper()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	say(t, conn, "HTTP/1.0 200 OK\r\n\r\n", body)
	_ = conn.Close()
}

func TestWhatHasNotChangedIsNotSentAgain(t *testing.T) {
	changed := time.Date(2026, 11, 21, 19, 22, 14, 0, time.UTC)
	url, _ := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"7"`)
		http.ServeContent(w, r, "", changed, strings.NewReader(text))
	})
	a, err := patient.fetch(t.Context(), Request{URL: url, Insecure: true, Most: 100})
	if err != nil || string(a.Text) != text || a.ETag != `"7"` || a.LastModified != "Sat, 21 Nov 2026 19:22:14 GMT" || a.Unchanged {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, r := range []Request{{ETag: a.ETag}, {LastModified: a.LastModified}, {ETag: a.ETag, LastModified: a.LastModified}} {
		r.URL, r.Insecure, r.Most = url, true, 100
		if a, err := patient.fetch(t.Context(), r); err != nil || !a.Unchanged || len(a.Text) > 0 {
			t.Errorf("%+v: %+v, %v", r, a, err)
		}
	}
	if a, err := patient.fetch(t.Context(), Request{URL: url, Insecure: true, Most: 100, ETag: `"6"`}); err != nil || a.Unchanged {
		t.Errorf("%+v, %v", a, err)
	}
}

// A file that was changed within this second may change once more within it, and have the same time.
func TestATimeThatIsTooCloseIsNone(t *testing.T) {
	for _, c := range []struct{ changed, sent, want string }{
		{"Sat, 21 Nov 2026 19:22:14 GMT", "Sat, 21 Nov 2026 19:22:16 GMT", "Sat, 21 Nov 2026 19:22:14 GMT"},
		{"Sat, 21 Nov 2026 19:22:14 GMT", "Sat, 21 Nov 2026 19:22:15 GMT", ""},
		{"Sat, 21 Nov 2026 19:22:14 GMT", "", ""},
		{"yesterday", "Sat, 21 Nov 2026 19:22:16 GMT", ""},
		{"", "Sat, 21 Nov 2026 19:22:16 GMT", ""},
	} {
		if got := lastModified(http.Header{"Last-Modified": {c.changed}, "Date": {c.sent}}); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestSlowServers(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	wait := func(r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}
	for _, c := range []struct {
		what   string
		answer http.HandlerFunc
		l      limits
		want   string
	}{
		{"no answer", func(_ http.ResponseWriter, r *http.Request) { wait(r) },
			limits{connect: time.Minute, header: 200 * time.Millisecond, whole: 2 * time.Minute, pace: time.Minute, slowest: 1}, "the server does not answer in time: "},
		{"no text", func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			wait(r)
		}, hasty, "it comes too slowly, less than 1 KiB in 200ms"},
		{"a byte now and then", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				say(t, w, "#")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, hasty, "it comes too slowly, less than 1 KiB in 200ms"},
		{"for ever", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				say(t, w, "##########")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Millisecond)
			}
		}, limits{connect: time.Minute, header: time.Minute, whole: 400 * time.Millisecond, pace: time.Minute, slowest: 1}, "it takes longer than 400ms"},
	} {
		url, _ := serve(t, false, c.answer)
		_, err := c.l.fetch(t.Context(), Request{URL: url, Insecure: true, Most: 1 << 20})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.what, err, c.want)
		}
	}
}

func TestWhoIsTrusted(t *testing.T) {
	plain, _ := serve(t, false, func(w http.ResponseWriter, _ *http.Request) { say(t, w, text) })
	var to string
	secure, roots := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		say(t, w, text)
	})
	trusting := patient
	trusting.roots = roots
	there, _ := serve(t, false, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, secure+r.URL.Path, http.StatusFound) })
	for _, c := range []struct {
		url      string
		l        limits
		insecure bool
		to, want string // want is the error, "" for none
	}{
		{secure, trusting, false, "", ""},
		{secure, trusting, true, "", ""},
		{secure, patient, false, "", "tls: failed to verify certificate: x509: "},
		{secure, patient, true, "", "tls: failed to verify certificate: x509: "},
		{strings.Replace(secure, "127.0.0.1", "localhost", 1), trusting, false, "", "tls: failed to verify certificate: x509: certificate is valid for"},
		{plain, trusting, true, "", ""},
		{plain, trusting, false, "", "the server sends to http, where anybody"},
		{secure + "/elsewhere", trusting, false, plain, "the server sends to http, where anybody"},
		{secure + "/elsewhere", trusting, true, plain, "the server sends from https to http"},
		{there, trusting, true, "", ""},
		{there + "/elsewhere", trusting, true, plain, "the server sends from https to http"},
		{"https://127.0.0.1:1/", trusting, true, "", "dial tcp 127.0.0.1:1: connect: connection refused"},
	} {
		to = c.to
		a, err := c.l.fetch(t.Context(), Request{URL: c.url, Insecure: c.insecure, Most: 1000})
		switch {
		case c.want == "" && (err != nil || string(a.Text) != text):
			t.Errorf("%+v: %v", c, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%s insecure %t to %s: %v, want %s", c.url, c.insecure, c.to, err, c.want)
		}
	}
}

func TestWhoeverWantsItNoMoreDoesNotWait(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url, _ := serve(t, false, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := patient.fetch(ctx, Request{URL: url, Insecure: true, Most: 1000}); err == nil {
		t.Error("it went on")
	}
}
