package api

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// maxStreams bounds the memory that readers hold who do not read.
const maxStreams = 512

// events answers entries of the log as EventsQuery asks for them, one JSON object a line.
func events(s *server, w http.ResponseWriter, r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return newProblem(http.StatusBadRequest, err.Error())
	}
	q, err := readEventsQuery(values)
	if err != nil {
		return err
	}
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		return newProblem(http.StatusServiceUnavailable, fmt.Sprintf("%d read events already", maxStreams))
	}
	defer s.streams.Add(-1)
	// A person may stop the output of a terminal, or page through it, for as long as they like.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("answer events: %w", err)
	}
	return s.stream(r.Context(), q, w)
}
