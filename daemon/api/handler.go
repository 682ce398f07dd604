package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// route finds the handler. ServeMux would do but for its 404 and 405, which are plain text.
func (s *server) route(w http.ResponseWriter, r *http.Request) {
	pattern := pattern(r)
	methods, ok := routes[pattern]
	if !ok || !s.serves(pattern) {
		newProblem(http.StatusNotFound, fmt.Sprintf("there is no %s", r.URL.Path)).write(w)
		return
	}
	handle, ok := methods[r.Method]
	if !ok {
		allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
		w.Header().Set("Allow", allowed)
		newProblem(http.StatusMethodNotAllowed, fmt.Sprintf("%s takes %s, not %s", r.URL.Path, allowed, r.Method)).write(w)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, bound(r, pattern))
	if err := handle(s, w, r); err != nil {
		ProblemOf(err).write(w)
	}
}

// pattern is the path that a request is looked up by. What follows a collection's name names one of it: r.PathValue("name")
// has it, and "*" stands in its place.
func pattern(r *http.Request) string {
	for collection := range routes {
		prefix, ok := strings.CutSuffix(collection, "*")
		if name, found := strings.CutPrefix(r.URL.Path, prefix); ok && found && name != "" {
			r.SetPathValue("name", name)
			return collection
		}
	}
	return r.URL.Path
}

// handler answers, or gives the error to answer.
type handler func(*server, http.ResponseWriter, *http.Request) error

var routes = map[string]map[string]handler{
	"/v1/connections": {http.MethodGet: connections},
	"/v1/status":      {http.MethodGet: status},
	"/v1/rules":       {http.MethodGet: rules},
	"/v1/show":        {http.MethodGet: show},
	"/v1/config":      {http.MethodGet: file},
	"/v1/events":      {http.MethodGet: events},
	"/v1/check":       {http.MethodPost: check},
	"/v1/explain":     {http.MethodPost: explain},
	"/v1/reload":      {http.MethodPost: reload},
	"/v1/try":         {http.MethodPost: try},
	"/v1/confirm":     {http.MethodPost: confirm},
	"/v1/revert":      {http.MethodPost: revert},
	"/v1/panic":       {http.MethodPost: panicSwitch},
	"/v1/rules/*":     {http.MethodPut: putRule, http.MethodDelete: deleteRule},
	"/v1/bans":        {http.MethodGet: bans, http.MethodPost: ban},
	"/v1/metrics":     {http.MethodGet: metrics},
	"/v1/lists":       {http.MethodGet: lists},
	"/v1/bans/*":      {http.MethodDelete: unban},
	plans:             {http.MethodPost: fetches},
	copies:            {http.MethodPut: putCopy, http.MethodPost: noteFetch},
}

func status(s *server, w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	v, err := s.backend.Status(r.Context())
	return answer(w, v.whole(), err)
}

func rules(s *server, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "all")
	if err != nil {
		return err
	}
	v, err := s.backend.Rules(r.Context(), q["all"])
	return answer(w, v.whole(), err)
}

func show(s *server, w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	v, err := s.backend.Show(r.Context())
	return answer(w, v, err)
}

// file answers the rule files with an ETag, which a change of one of them is to name.
func file(s *server, w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	v, err := s.backend.Config(r.Context())
	if err == nil {
		w.Header().Set("ETag", v.ETag)
	}
	return answer(w, v.whole(), err)
}

func check(s *server, w http.ResponseWriter, r *http.Request) error {
	var ask checkRequest
	if err := body(r, &ask); err != nil {
		return err
	}
	if ask.Text == nil {
		return newProblem(http.StatusBadRequest, `"text" is missing: the text of a firewall.toml`)
	}
	v, err := s.backend.Check(r.Context(), *ask.Text)
	return answer(w, v.whole(), err)
}

func reload(s *server, w http.ResponseWriter, r *http.Request) error {
	if err := body(r, &struct{}{}); err != nil {
		return err
	}
	v, err := s.backend.Reload(s.ctx)
	return answer(w, v.whole(), err)
}

// The requests. A pointer tells what is missing from what is empty.
type (
	checkRequest struct {
		Text *string `json:"text"`
	}
)

// query reads the switches of a request, each true or false; an unknown one is an error.
func query(r *http.Request, known ...string) (map[string]bool, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, newProblem(http.StatusBadRequest, err.Error())
	}
	out := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, key) {
			return nil, newProblem(http.StatusBadRequest, fmt.Sprintf("%s takes no %q", r.URL.Path, key))
		}
		if out[key], err = strconv.ParseBool(values.Get(key)); err != nil {
			return nil, newProblem(http.StatusBadRequest, fmt.Sprintf("%s=%s: neither 1 nor 0", key, values.Get(key)))
		}
	}
	return out, nil
}

// body reads one JSON object with known fields only; no body at all is the empty object.
func body(r *http.Request, into any) error {
	if _, err := query(r); err != nil {
		return err
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.Join(errors.New("more than one JSON value"), err)
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d MiB", maxBody>>20))
	}
	return newProblem(http.StatusBadRequest, "the request is not as it should be: "+err.Error())
}

// answer writes a value as one line of JSON.
func answer(w http.ResponseWriter, v any, err error) error {
	if err != nil {
		return err
	}
	// All of it before the first byte goes out: an error can still be answered.
	text, err := Encode(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	// Who asked is gone if this fails: nobody is left to tell.
	_, _ = w.Write(text)
	return nil
}

// Encode gives a value as it goes over the wire: one line of JSON, and its end. "->" stays as it is.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
