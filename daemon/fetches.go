package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"pfw/config"
	"pfw/daemon/api"
)

// BeginFetches says what is to be fetched, and notes that somebody is about to.
func (d *Daemon) BeginFetches(_ context.Context, ask api.FetchRequest) (api.Fetches, func(), error) {
	f, now := d.force.Load(), time.Now()
	var out api.Fetches
	begun := map[string]*config.List{}
	for _, l := range f.feeds() {
		s := d.feeds.state(l)
		switch {
		case len(ask.Lists) > 0 && !slices.Contains(ask.Lists, l.Name):
			continue
		case ask.Due && s.due(l, now).After(now):
			continue
		}
		fetch := api.Fetch{List: l.Name, URL: l.Feed.URL, Source: l.Source, Insecure: l.Feed.Insecure, MostBytes: config.MostText, Ticket: d.feeds.begin(l)}
		if !l.Feed.Missing {
			// A server that knows them has nothing to send to who has nothing.
			fetch.ETag, fetch.LastModified = s.ETag, s.LastModified
		}
		out.Fetches = append(out.Fetches, fetch)
		begun[fetch.Ticket] = l
	}
	return out, func() {
		for ticket, l := range begun {
			if d.feeds.end(ticket) && d.ending.Err() == nil {
				d.unfetched(l, "whoever fetched it was ended before it was done", "")
			}
		}
	}, nil
}

// begin notes that a list is being fetched, and gives the ticket with which the outcome comes back. Two who fetch the same list
// have two.
func (f *feeds) begin(l *config.List) (ticket string) {
	ticket = keyOfFeed(l) + ticketMark + rand.Text()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun[ticket] = true
	return ticket
}

// ticketMark stands between the name of a copy, which has none, and what tells fetches of it apart.
const ticketMark = ":"

// end notes that it is known what became of a fetch; false where it was known already.
func (f *feeds) end(ticket string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.begun[ticket]
	delete(f.begun, ticket)
	return was
}

// NoteFetch notes a fetch that brought no text.
func (d *Daemon) NoteFetch(_ context.Context, name string, n api.FetchNote) (api.Fetched, error) {
	l, err := d.fetched(name, n.Ticket)
	if err != nil {
		return api.Fetched{}, err
	}
	defer d.feeds.end(n.Ticket)
	v := api.Fetched{Name: name, Outcome: api.FetchUnchanged, Before: l.Entries, Entries: l.Entries}
	if n.Error != "" {
		v.Outcome, v.Error = api.FetchFailed, d.unfetched(l, n.Error, "")
		return v, nil
	}
	if l.Feed.Missing {
		// Nobody said that there is a copy.
		v.Outcome, v.Error = api.FetchFailed, d.unfetched(l, "nothing was sent, and there is no copy", "")
		return v, nil
	}
	d.feeds.note(l, func(s feedState) feedState { return s.succeeded(l, time.Now()) })
	return v, nil
}

// fetched finds the list that a fetch was of.
func (d *Daemon) fetched(name, ticket string) (*config.List, error) {
	l := d.force.Load().feed(name)
	switch {
	case l == nil:
		return nil, api.NewProblem(http.StatusNotFound, fmt.Sprintf("no list %q is fetched from the net", name), "pfw lists shows the lists")
	case keyOfFeed(l) != keyOfTicket(ticket):
		return nil, api.NewProblem(http.StatusPreconditionFailed, fmt.Sprintf("list %q comes from elsewhere by now", name), "fetch it again")
	}
	return l, nil
}

func keyOfTicket(ticket string) string {
	key, _, _ := strings.Cut(ticket, ticketMark)
	return key
}

// unfetched notes why a list was not refreshed, and gives that in the words in which it is shown: who fetches is not trusted.
func (d *Daemon) unfetched(l *config.List, why, hint string) string {
	why = legible(why)
	d.feeds.note(l, func(s feedState) feedState { return s.failed(l, time.Now(), why, hint) })
	d.log.Warn("list @"+l.Name+" is not refreshed", "source", l.Source, "error", why)
	return why
}

// legible is a text of others in one line, without what a terminal would interpret: systemctl shows the status as it is.
func legible(text string) string {
	const most = 300
	runes := []rune(strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?"))
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = '?'
		}
	}
	return string(runes[:min(len(runes), most)])
}

// copyPath is where the copy of a list is.
func (f *feeds) copyPath(l *config.List) string { return filepath.Join(f.dir, keyOfFeed(l)) }
