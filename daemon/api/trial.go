package api

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Trials puts a policy in force for a while, to see whether one can live with it.
type Trials interface {
	// Try puts a text in force as if it were firewall.toml in its place, until Confirm, Revert or the end of its time.
	Try(ctx context.Context, who Caller, t Trial) (Outcome, error)
	// Confirm keeps what is on trial, and makes it firewall.toml.
	Confirm(ctx context.Context) (Outcome, error)
	// Revert goes back to the policy of before at once.
	Revert(ctx context.Context) (Outcome, error)
}

// Trial is a policy to try.
type Trial struct {
	// Text is that of a firewall.toml.
	Text string
	For  time.Duration
	// Force tries also what would keep the person who asks from logging in again.
	Force bool
}

// TryingStatus is a trial that is under way.
type TryingStatus struct {
	// File is what the text on trial stands for, and becomes if it is confirmed.
	File  string `json:"file"`
	Until Time   `json:"until"`
}

// longestTrial bounds a trial: whoever means it for longer means it for good.
const longestTrial = 24 * time.Hour

type tryRequest struct {
	Text  *string `json:"text"`
	For   *string `json:"for"`
	Force bool    `json:"force,omitempty"`
}

func try(s *server, w http.ResponseWriter, r *http.Request) error {
	var ask tryRequest
	if err := body(r, &ask); err != nil {
		return err
	}
	if ask.Text == nil {
		return newProblem(http.StatusBadRequest, `"text" is missing: the text of a firewall.toml`)
	}
	if ask.For == nil {
		return newProblem(http.StatusBadRequest, `"for" is missing: how long to try, "60s", say`)
	}
	length, err := lasting(*ask.For, longestTrial)
	if err != nil {
		return err
	}
	v, err := s.backend.Try(s.ctx, caller(r), Trial{*ask.Text, length, ask.Force})
	return answer(w, v.whole(), err)
}

// lasting reads how long something is to last: more than nothing, and no longer than that.
func lasting(text string, longest time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d <= 0:
		return 0, NewProblem(http.StatusBadRequest, fmt.Sprintf(`"for": %q is no duration`, text), "write 90s, 5m or 2h")
	case d > longest:
		return 0, NewProblem(http.StatusBadRequest, fmt.Sprintf(`"for": %s is longer than %s`, d, longest), "give it a shorter time")
	}
	return d, nil
}

func confirm(s *server, w http.ResponseWriter, r *http.Request) error {
	if err := body(r, &struct{}{}); err != nil {
		return err
	}
	v, err := s.backend.Confirm(s.ctx)
	return answer(w, v.whole(), err)
}

func revert(s *server, w http.ResponseWriter, r *http.Request) error {
	if err := body(r, &struct{}{}); err != nil {
		return err
	}
	v, err := s.backend.Revert(s.ctx)
	return answer(w, v.whole(), err)
}

// Try asks for a policy to be tried.
func (c *Client) Try(ctx context.Context, t Trial) (v Outcome, err error) {
	length := t.For.String()
	return v, c.post(ctx, "try", tryRequest{&t.Text, &length, t.Force}, &v)
}

// Confirm asks for what is on trial to be kept.
func (c *Client) Confirm(ctx context.Context) (v Outcome, err error) {
	return v, c.post(ctx, "confirm", struct{}{}, &v)
}

// Revert asks for the policy of before the trial.
func (c *Client) Revert(ctx context.Context) (v Outcome, err error) {
	return v, c.post(ctx, "revert", struct{}{}, &v)
}
