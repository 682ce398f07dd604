package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"pfw/config"
)

// Problem is what the daemon answers where it does not do what was asked (RFC 9457), and the client's error then.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Hint says what to do about it, where that is known.
	Hint string `json:"hint,omitempty"`
	// Errors and Expectations say what is wrong with a file that is not valid, as Check does; only such a problem has them.
	Errors       []config.Problem     `json:"errors,omitzero"`
	Expectations []config.Expectation `json:"expectations,omitzero"`
}

// InvalidFile is the type of a problem with a rule file. All others are of type about:blank, told apart by status.
const InvalidFile = "tag:pfw,2026:invalid-file"

// Error is the detail: for an invalid file the text that pfw check prints, of several lines.
func (p *Problem) Error() string { return p.Detail }

// ExpectationOnly tells whether a file was refused for nothing but expectations that do not hold.
func (p *Problem) ExpectationOnly() bool {
	return p.Type == InvalidFile && len(p.Errors) == 0 && len(p.Expectations) > 0
}

// NewProblem is an error that a backend gives where the HTTP status says more than 400 or 500 do: 404 for what is not there,
// 409 for what goes against the state that the daemon is in, 412 for a change of a file that has changed since.
func NewProblem(status int, detail, hint string) *Problem {
	p := newProblem(status, detail)
	p.Hint = hint
	return p
}

func newProblem(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// ProblemOf is what is answered for an error of the backend.
func ProblemOf(err error) *Problem {
	var problem *Problem
	var bad *config.Errors
	var request *RequestError
	var edit *config.EditError
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &bad):
		return &Problem{
			Type: InvalidFile, Title: "The file is not valid", Status: http.StatusUnprocessableEntity,
			Detail: bad.Error(), Errors: whole(bad.Problems), Expectations: whole(bad.Expectations),
		}
	case errors.As(err, &edit):
		return NewProblem(editStatus[edit.Reason], edit.Message, edit.Hint)
	case errors.As(err, &request):
		return newProblem(http.StatusBadRequest, err.Error())
	case errors.Is(err, context.Canceled):
		return newProblem(http.StatusServiceUnavailable, "the daemon is about to end")
	}
	return newProblem(http.StatusInternalServerError, err.Error())
}

const problemJSON = "application/problem+json"

func (p *Problem) write(w http.ResponseWriter) {
	text, err := Encode(p)
	if err != nil {
		panic(fmt.Sprintf("api: a problem has a JSON form: %v", err))
	}
	w.Header().Set("Content-Type", problemJSON)
	w.WriteHeader(p.Status)
	// Who asked is gone if this fails: nobody is left to tell.
	_, _ = w.Write(text)
}
