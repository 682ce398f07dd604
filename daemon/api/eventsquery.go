package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pfw/config"
	"pfw/daemon/audit"
)

// EventsQuery says which events are wanted; the zero value asks for the newest in memory.
type EventsQuery struct {
	// Follow goes on with what happens from now on.
	Follow bool
	// All adds allowed connections, those that are not logged among them.
	All bool
	// Since, Until and Newest ask for the log as its files have it, with the allowed connections that are logged: of then and
	// later, of before, of all that no more than so many, the newest.
	Since, Until time.Time
	Newest       int
	Filter       audit.Filter
}

// log tells whether the log is asked for.
func (q *EventsQuery) log() bool { return !q.Since.IsZero() || !q.Until.IsZero() || q.Newest > 0 }

// unlogged tells whether allowed connections are wanted that are not logged. Who filters for allowed ones wants them.
func (q *EventsQuery) unlogged() bool { return q.All || !q.log() && q.Filter.Allowed() }

// wants tells whether an event belongs to the answer. What has no number is not logged.
func (q *EventsQuery) wants(e *audit.Entry) bool {
	if e.EventType == audit.Allow && !q.unlogged() && (e.Seq == 0 || !q.log()) {
		return false
	}
	return q.Filter.Match(e)
}

// eventsKey is a key of the query besides those of the filter.
type eventsKey struct {
	name  string
	read  func(q *EventsQuery, value string) (ok bool)
	wrong string                      // what a value is that is not ok
	text  func(q *EventsQuery) string // "" where the key is left out
}

var eventsKeys = []eventsKey{
	switchKey("follow", func(q *EventsQuery) *bool { return &q.Follow }),
	switchKey("all", func(q *EventsQuery) *bool { return &q.All }),
	momentKey("since", func(q *EventsQuery) *time.Time { return &q.Since }),
	momentKey("until", func(q *EventsQuery) *time.Time { return &q.Until }),
	{
		name: "limit", wrong: "not a number above zero",
		read: func(q *EventsQuery, value string) bool {
			n, err := strconv.Atoi(value)
			q.Newest = n
			return err == nil && n > 0
		},
		text: func(q *EventsQuery) string {
			if q.Newest == 0 {
				return ""
			}
			return strconv.Itoa(q.Newest)
		},
	},
}

func switchKey(name string, on func(*EventsQuery) *bool) eventsKey {
	return eventsKey{
		name: name, wrong: "neither 1 nor 0",
		read: func(q *EventsQuery, value string) bool {
			v, err := strconv.ParseBool(value)
			*on(q) = v
			return err == nil
		},
		text: func(q *EventsQuery) string {
			if !*on(q) {
				return ""
			}
			return "1"
		},
	}
}

func momentKey(name string, at func(*EventsQuery) *time.Time) eventsKey {
	return eventsKey{
		name: name, wrong: "no moment: write RFC 3339, like 2026-11-21T19:22:14Z, or how long ago it was: 90s, 15m, 2d",
		read: func(q *EventsQuery, value string) bool {
			now := time.Now()
			t, ok := ParseMoment(value, now, false)
			if !ok {
				// A + that nobody wrote as %2B is a blank by now.
				t, ok = ParseMoment(strings.ReplaceAll(value, " ", "+"), now, false)
			}
			*at(q) = t
			return ok
		},
		text: func(q *EventsQuery) string {
			if at(q).IsZero() {
				return ""
			}
			return at(q).Format(time.RFC3339Nano)
		},
	}
}

// values writes q as a query of a URL.
func (q *EventsQuery) values() url.Values {
	values := filterValues(q.Filter)
	for _, key := range eventsKeys {
		if text := key.text(q); text != "" {
			values.Set(key.name, text)
		}
	}
	return values
}

// readEventsQuery reads what values writes. An unknown key is an error, and so is an unknown word.
func readEventsQuery(values url.Values) (q EventsQuery, err error) {
	var names []string
	for _, key := range eventsKeys {
		names = append(names, key.name)
		given := values[key.name]
		switch {
		case len(given) > 1:
			return q, badQuery(key.name+": given twice", "")
		case len(given) == 1 && !key.read(&q, given[0]):
			return q, badQuery(fmt.Sprintf("%s=%s: %s", key.name, given[0], key.wrong), "")
		}
	}
	for _, key := range filterKeys {
		names = append(names, key.name)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, err := config.ParseWord(FilterName(name), "key", names); err != nil {
			return q, badQuery(err.Error(), hint(err))
		}
	}
	if q.Filter, err = ParseFilter(values); err != nil {
		return q, badQuery(err.Error(), hint(err))
	}
	if q.Follow && !q.Until.IsZero() {
		return q, badQuery("follow and until do not go together", "leave one of them out")
	}
	return q, nil
}

func badQuery(detail, hint string) error { return NewProblem(http.StatusBadRequest, detail, hint) }

// hint is what helps against a value that is wrong.
func hint(err error) string {
	var wrong *config.ValueError
	if errors.As(err, &wrong) {
		return wrong.Hint
	}
	return ""
}
