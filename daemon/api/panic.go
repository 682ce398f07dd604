package api

import (
	"context"
	"net/http"
	"time"
)

// Alarms blocks everything but loopback, whatever the policy says.
type Alarms interface {
	// Panic blocks everything, or ends that.
	Panic(ctx context.Context, who Caller, a Alarm) (Outcome, error)
}

// Alarm switches the panic on or off.
type Alarm struct {
	On bool
	// For is after which time it ends by itself; 0 is never.
	For time.Duration
	// Force blocks everything for good also where the person who asks is cut off by it.
	Force bool
}

// PanicStatus is a panic that is on.
type PanicStatus struct {
	Since Time `json:"since"`
	// Until is when it ends by itself; absent where it does not.
	Until *Time `json:"until,omitempty"`
}

// longestPanic is past what anybody means, and far from what a duration cannot hold.
const longestPanic = 366 * 24 * time.Hour

type panicRequest struct {
	On    *bool   `json:"on"`
	For   *string `json:"for,omitempty"`
	Force bool    `json:"force,omitempty"`
}

func panicSwitch(s *server, w http.ResponseWriter, r *http.Request) error {
	var ask panicRequest
	if err := body(r, &ask); err != nil {
		return err
	}
	if ask.On == nil {
		return newProblem(http.StatusBadRequest, `"on" is missing: true to block everything, false to end that`)
	}
	a := Alarm{On: *ask.On, Force: ask.Force}
	if ask.For != nil {
		var err error
		if a.For, err = lasting(*ask.For, longestPanic); err != nil {
			return err
		}
		if !a.On {
			return newProblem(http.StatusBadRequest, `"for" goes with "on": true`)
		}
	}
	v, err := s.backend.Panic(s.ctx, caller(r), a)
	return answer(w, v.whole(), err)
}

// Panic asks for everything to be blocked, or for the end of that.
func (c *Client) Panic(ctx context.Context, a Alarm) (v Outcome, err error) {
	ask := panicRequest{On: &a.On, Force: a.Force}
	if a.For != 0 {
		length := a.For.String()
		ask.For = &length
	}
	return v, c.post(ctx, "panic", ask, &v)
}
