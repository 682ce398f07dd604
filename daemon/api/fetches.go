package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"pfw/config"
)

// Fetching is how lists come from the net: the daemon, which talks to nobody there, says what is wanted, somebody else fetches
// it and hands over what became of it. The daemon trusts none of that.
type Fetching interface {
	// BeginFetches gives the lists to fetch. ended is called when whoever asked is gone; what it has said nothing about
	// by then has failed.
	BeginFetches(ctx context.Context, ask FetchRequest) (v Fetches, ended func(), err error)
	// TakeCopy judges the text of a list, and puts it in force.
	TakeCopy(ctx context.Context, list string, c Copy, text io.Reader) (Fetched, error)
	// NoteFetch notes a fetch that brought no text.
	NoteFetch(ctx context.Context, list string, n FetchNote) (Fetched, error)
}

// FetchRequest asks what is to be fetched.
type FetchRequest struct {
	// Lists are names, none for all. One that is not fetched from the net is left out.
	Lists []string `json:"lists,omitempty"`
	// Due leaves out what was fetched lately.
	Due bool `json:"due,omitempty"`
}

// Fetches are lists to fetch.
type Fetches struct {
	Fetches []Fetch `json:"fetches"`
}

// Fetch is one of them.
type Fetch struct {
	List string `json:"list"`
	// URL may hold secrets. Source is what may be shown of it.
	URL    string `json:"url"`
	Source string `json:"source"`
	// Insecure says that http will do.
	Insecure bool `json:"insecure,omitempty"`
	// ETag and LastModified are of the copy that is there, as the server gave them; "" where it gave none.
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	// MostBytes is how long the text may be.
	MostBytes int64 `json:"most_bytes"`
	// Ticket goes back with the outcome: a list that has another URL by then is another list.
	Ticket string `json:"ticket"`
}

// Copy is what came with the text of a list.
type Copy struct {
	Ticket, ETag, LastModified string
	// Shrunk takes the list though it has less than half of the entries of before.
	Shrunk bool
}

// FetchNote tells of a fetch that brought no text: why it failed, or where it did not, that nothing has changed.
type FetchNote struct {
	Ticket string `json:"ticket"`
	Error  string `json:"error,omitempty"`
}

// FetchOutcome is what became of a list, in one word.
type FetchOutcome string

// What becomes of a list that was fetched.
const (
	FetchChanged   FetchOutcome = "changed"
	FetchUnchanged FetchOutcome = "unchanged"
	FetchFailed    FetchOutcome = "failed"
)

// Fetched is what became of a list.
type Fetched struct {
	Name    string       `json:"name"`
	Outcome FetchOutcome `json:"outcome"`
	// Before and Entries count the entries that were in force and that are.
	Before  int    `json:"before"`
	Entries int    `json:"entries"`
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// Headers that go with a text beside those of HTTP.
const ticketHeader = "Pfw-Ticket"

// fetches answers what is to be fetched, and goes on until whoever asked is done: one that is killed is known to be gone.
func fetches(s *server, w http.ResponseWriter, r *http.Request) error {
	var ask FetchRequest
	if err := body(r, &ask); err != nil {
		return err
	}
	if s.fetching.Add(1) > mostFetchers {
		s.fetching.Add(-1)
		return newProblem(http.StatusServiceUnavailable, fmt.Sprintf("%d fetch lists already", mostFetchers))
	}
	defer s.fetching.Add(-1)
	control := http.NewResponseController(w)
	for _, set := range []func(time.Time) error{control.SetReadDeadline, control.SetWriteDeadline} {
		if err := set(time.Time{}); err != nil {
			return fmt.Errorf("answer fetches: %w", err)
		}
	}
	v, ended, err := s.backend.BeginFetches(r.Context(), ask)
	if err != nil {
		return err
	}
	defer ended()
	v.Fetches = whole(v.Fetches)
	if err := answer(w, v, nil); err != nil {
		return err
	}
	if len(v.Fetches) > 0 && control.Flush() == nil {
		select {
		case <-r.Context().Done():
		case <-time.After(mostFetching):
		}
	}
	return nil
}

// mostFetchers bounds those who fetch at a time.
const mostFetchers = 16

// mostFetching is when whoever began to fetch is taken to be lost.
const mostFetching = 2 * time.Hour

func putCopy(s *server, w http.ResponseWriter, r *http.Request) error {
	switches, err := query(r, "shrunk")
	if err != nil {
		return err
	}
	if switches["shrunk"] && s.only != nil {
		// It is for a person to say, and who fetches is none.
		return newProblem(http.StatusForbidden, "that a list may shrink is said on the control socket")
	}
	c := Copy{Ticket: r.Header.Get(ticketHeader), ETag: r.Header.Get("ETag"), LastModified: r.Header.Get("Last-Modified"), Shrunk: switches["shrunk"]}
	// s.ctx: a client that goes away leaves no change half done. Of a text that it did not send whole the reader says so.
	v, err := s.backend.TakeCopy(s.ctx, r.PathValue("name"), c, r.Body)
	return answer(w, v, err)
}

func noteFetch(s *server, w http.ResponseWriter, r *http.Request) error {
	var n FetchNote
	if err := body(r, &n); err != nil {
		return err
	}
	v, err := s.backend.NoteFetch(r.Context(), r.PathValue("name"), n)
	return answer(w, v, err)
}

// bound is how much a request may send.
func bound(r *http.Request, pattern string) int64 {
	if pattern == copies && r.Method == http.MethodPut {
		return config.MostText
	}
	return maxBody
}

const (
	plans  = "/v1/fetches"
	copies = "/v1/fetches/*"
)

// BeginFetches asks what is to be fetched. The caller closes done once the daemon has been told of all that became of it.
func (c *Client) BeginFetches(ctx context.Context, ask FetchRequest) (v Fetches, done io.Closer, err error) {
	request, err := json.Marshal(ask)
	if err != nil {
		return v, nil, fmt.Errorf("encode request: %w", err)
	}
	answer, err := c.ask(ctx, http.MethodPost, "fetches", request)
	if err != nil {
		return v, nil, err
	}
	if err := json.NewDecoder(answer).Decode(&v); err != nil {
		_ = answer.Close() // the error that counts is the other
		return v, nil, fmt.Errorf("read answer of pfwd: %w", err)
	}
	return v, answer, nil
}

// TakeCopy hands over the text of a list.
func (c *Client) TakeCopy(ctx context.Context, list string, with Copy, text []byte) (v Fetched, err error) {
	header := http.Header{ticketHeader: {with.Ticket}}
	for name, value := range map[string]string{"ETag": with.ETag, "Last-Modified": with.LastModified} {
		// What a server sends need not be what a client may.
		if value != "" && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			header.Set(name, value)
		}
	}
	what := "fetches/" + list
	if with.Shrunk {
		what += "?shrunk=" + strconv.FormatBool(true)
	}
	_, err = c.exchange(ctx, http.MethodPut, what, header, text, &v)
	return v, err
}

// NoteFetch tells of a fetch that brought no text.
func (c *Client) NoteFetch(ctx context.Context, list string, n FetchNote) (v Fetched, err error) {
	return v, c.post(ctx, "fetches/"+list, n, &v)
}
