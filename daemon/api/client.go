package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// ErrUnreachable says that no daemon answers on the socket.
var ErrUnreachable = errors.New("pfwd is not reachable")

// Client asks a daemon. Its errors wrap ErrUnreachable where none answers, and are a *Problem where one answers that it
// does not do what was asked.
type Client struct{ http http.Client }

// NewClient makes a client of the daemon that listens on the socket at path. Nothing is asked yet.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		return conn, nil
	}
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks how the firewall is.
func (c *Client) Status(ctx context.Context) (v Status, err error) {
	return v, c.get(ctx, "status", &v)
}

// Rules asks for the rules in force and their counters; always adds what is in force whatever the rules say.
func (c *Client) Rules(ctx context.Context, always bool) (v Rules, err error) {
	if always {
		return v, c.get(ctx, "rules?all=1", &v)
	}
	return v, c.get(ctx, "rules", &v)
}

// Show asks for the ruleset in force.
func (c *Client) Show(ctx context.Context) (v Show, err error) {
	return v, c.get(ctx, "show", &v)
}

// Config asks for the rule files as the daemon reads them.
func (c *Client) Config(ctx context.Context) (v File, err error) {
	header, err := c.exchange(ctx, http.MethodGet, "config", nil, nil, &v)
	v.ETag = header.Get("ETag")
	return v, err
}

// Check asks the daemon to judge a text as if it were its firewall.toml.
func (c *Client) Check(ctx context.Context, text string) (v Check, err error) {
	return v, c.post(ctx, "check", checkRequest{&text}, &v)
}

// Reload asks for the rule file to be put in force, and waits for the outcome.
func (c *Client) Reload(ctx context.Context) (v Outcome, err error) {
	return v, c.post(ctx, "reload", struct{}{}, &v)
}

func (c *Client) get(ctx context.Context, what string, into any) error {
	return c.decode(ctx, http.MethodGet, what, nil, into)
}

func (c *Client) post(ctx context.Context, what string, request, into any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	return c.decode(ctx, http.MethodPost, what, text, into)
}

func (c *Client) decode(ctx context.Context, method, what string, request []byte, into any) error {
	_, err := c.exchange(ctx, method, what, nil, request, into)
	return err
}

// exchange decodes an answer, and gives its header.
func (c *Client) exchange(ctx context.Context, method, what string, header http.Header, request []byte, into any) (http.Header, error) {
	answer, err := c.send(ctx, method, what, header, request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return nil, fmt.Errorf("read answer of pfwd: %w", err)
	}
	return answer.Header, nil
}

// ask gives the body of an answer, which the caller closes.
func (c *Client) ask(ctx context.Context, method, what string, request []byte) (io.ReadCloser, error) {
	answer, err := c.send(ctx, method, what, nil, request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// send gives an answer, whose body the caller closes; one other than 200 is a *Problem.
func (c *Client) send(ctx context.Context, method, what string, header http.Header, request []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://pfw/v1/"+what, bytes.NewReader(request))
	if err != nil {
		return nil, fmt.Errorf("ask pfwd: %w", err)
	}
	maps.Copy(r.Header, header)
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer answer.Body.Close()
	p := newProblem(answer.StatusCode, "pfwd answers "+answer.Status)
	if answer.Header.Get("Content-Type") == problemJSON {
		if err := json.NewDecoder(answer.Body).Decode(p); err != nil {
			return nil, fmt.Errorf("read answer of pfwd: %s: %w", answer.Status, err)
		}
	}
	return nil, p
}

var errBrokeOff = errors.New("it broke off")

// unreachable takes off what net/http adds, an address that nobody knows, and tells a daemon that does not answer in time
// from one that breaks off.
func unreachable(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	switch {
	case errors.Is(err, ErrUnreachable):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: it does not answer in time", ErrUnreachable)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%w: %w", ErrUnreachable, errBrokeOff)
	}
	return fmt.Errorf("ask pfwd: %w", err)
}
