package lists

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Request is a text to fetch.
type Request struct {
	URL string `json:"url"`
	// Insecure lets it come over http.
	Insecure bool `json:"insecure"`
	// ETag and LastModified are of the copy that is there; what has not changed since is not sent again.
	ETag         string `json:"etag"`
	LastModified string `json:"last_modified"`
	// Most is how many bytes the text may have, and what is sent of it.
	Most int64 `json:"most"`
	// Agent is how the program calls itself.
	Agent string `json:"agent"`
}

// Answer is what came of a request.
type Answer struct {
	// Unchanged says that the copy is still good; there is no text then.
	Unchanged    bool
	Text         []byte
	ETag         string
	LastModified string
}

// limits bound a fetch in time, and say whom it trusts.
type limits struct {
	connect, header, whole time.Duration
	// In each pace, at least slowest bytes must come.
	pace    time.Duration
	slowest int64
	roots   *x509.CertPool // nil for those of the system
}

var usual = limits{connect: 15 * time.Second, header: 20 * time.Second, whole: 2 * time.Minute, pace: 20 * time.Second, slowest: 20 << 10}

// mostRedirects is how often a server may send elsewhere.
const mostRedirects = 5

// Fetch asks a server for a text.
func Fetch(ctx context.Context, r Request) (Answer, error) { return usual.fetch(ctx, r) }

func (l limits) fetch(ctx context.Context, r Request) (Answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(l.whole, func() { cancel(fmt.Errorf("it takes longer than %s", l.whole)) })
	defer late.Stop()
	a, err := l.ask(ctx, cancel, r)
	if err == nil {
		return a, nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return Answer{}, plain(err)
}

func (l limits) ask(ctx context.Context, cancel context.CancelCauseFunc, r Request) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return Answer{}, err
	}
	if err := r.allowed(nil, request.URL); err != nil {
		return Answer{}, err
	}
	// Asked for by name, the transport does not unpack what comes: here it is bounded.
	request.Header.Set("Accept-Encoding", "zstd, gzip")
	request.Header.Set("User-Agent", r.Agent)
	for name, value := range map[string]string{"If-None-Match": r.ETag, "If-Modified-Since": r.LastModified} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	client := http.Client{Transport: l.transport(), CheckRedirect: r.redirect}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && (r.ETag != "" || r.LastModified != ""):
		return Answer{Unchanged: true}, nil
	case response.StatusCode != http.StatusOK:
		return Answer{}, fmt.Errorf("the server answers %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	case response.ContentLength > r.Most:
		return Answer{}, tooLarge(r.Most)
	}
	body := newPaced(response.Body, l.pace, l.slowest, cancel)
	defer body.stop()
	text, packed, err := unpack(body, response.Header.Get("Content-Encoding"), r.Most)
	if err != nil {
		return Answer{}, err
	}
	if !packed && unbounded(response) && len(text) > 0 && text[len(text)-1] != '\n' {
		return Answer{}, errors.New("it ends within a line, and the server does not say how long it is: it may be cut short")
	}
	return Answer{Text: text, ETag: eTag(response.Header), LastModified: lastModified(response.Header)}, nil
}

// longestETag is in bytes, beyond that of any server that means well.
const longestETag = 1 << 10

func eTag(h http.Header) string {
	if tag := h.Get("ETag"); len(tag) <= longestETag {
		return tag
	}
	return ""
}

// lastModified is when the text changed last, "" where it may change once more within the second that it names (RFC 9110,
// section 8.8.2.2).
func lastModified(h http.Header) string {
	changed, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return ""
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil || sent.Sub(changed) < 2*time.Second {
		return ""
	}
	return h.Get("Last-Modified")
}

// unbounded tells an answer that ends with its connection, so that a connection that breaks looks like its end.
func unbounded(r *http.Response) bool {
	return r.ProtoMajor < 2 && r.ContentLength < 0 && len(r.TransferEncoding) == 0
}

// transport makes connections of one fetch.
func (l limits) transport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: l.connect}).DialContext,
		TLSHandshakeTimeout:    l.connect,
		ResponseHeaderTimeout:  l.header,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{RootCAs: l.roots},
	}
}

// redirect says whether to go where a server sends.
func (r Request) redirect(to *http.Request, via []*http.Request) error {
	if len(via) > mostRedirects {
		return fmt.Errorf("the server sends elsewhere more than %d times", mostRedirects)
	}
	// The URL of before may hold secrets.
	to.Header.Del("Referer")
	return r.allowed(via[len(via)-1].URL, to.URL)
}

// allowed says whether a URL may be asked, from nil where it is the first.
func (r Request) allowed(from, to *url.URL) error {
	switch {
	case to.Scheme == "https":
	case to.Scheme != "http":
		return fmt.Errorf("the server sends to %q, which is neither https nor http", to.Scheme)
	case !r.Insecure:
		return errors.New("the server sends to http, where anybody on the way can change the list")
	case from != nil && from.Scheme == "https":
		return errors.New("the server sends from https to http")
	}
	return nil
}

// plain takes off what net/http adds: the URL, which may hold secrets.
func plain(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		if outer.Timeout() {
			return fmt.Errorf("the server does not answer in time: %w", outer.Err)
		}
		return outer.Err
	}
	return err
}

func tooLarge(most int64) error { return fmt.Errorf("it is larger than %d MiB", most>>20) }
