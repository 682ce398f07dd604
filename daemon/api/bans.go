package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Banner is the daemon's side of bans. What it gives are the bans that it was about.
type Banner interface {
	Bans(ctx context.Context) (Bans, error)
	Ban(ctx context.Context, ask BanRequest) (Bans, error)
	// Unban takes an address, or what Ban.Address gives.
	Unban(ctx context.Context, address string) (Bans, error)
}

// Bans are remotes whose packets are dropped whatever the rules say.
type Bans struct {
	Bans []Ban `json:"bans"`
}

// Ban is one of them.
type Ban struct {
	// Address is an IPv4 address, or the /64 of an IPv6 address.
	Address string `json:"address"`
	// Until is absent where the ban does not end by itself.
	Until *Time `json:"until,omitempty"`
	Since Time  `json:"since"`
	// Rule is the one that banned, absent where somebody did by hand.
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason"`
}

// BanRequest asks for a ban.
type BanRequest struct {
	Address string
	For     time.Duration
	// Reason is what people see of it; "" leaves it to the daemon.
	Reason string
	// Force bans also whoever is logged in by ssh.
	Force bool
}

// banRequest is a BanRequest on the wire. A pointer tells what is missing from what is empty.
type banRequest struct {
	Address *string `json:"address"`
	For     *string `json:"for"`
	Reason  string  `json:"reason,omitempty"`
	Force   bool    `json:"force,omitempty"`
}

const (
	leastBan = time.Second
	// maxReason bounds what each ban holds in memory and in the state directory, in bytes.
	maxReason = 256
)

func (r *banRequest) read() (BanRequest, error) {
	out := BanRequest{Reason: r.Reason, Force: r.Force}
	bad := func(detail, hint string) error { return NewProblem(http.StatusBadRequest, detail, hint) }
	switch {
	case r.Address == nil:
		return out, bad(`"address" is missing`, `"address": "192.0.2.7", or an IPv6 address, whose /64 is banned`)
	case r.For == nil:
		return out, bad(`"for" is missing`, `"for": "1h" bans for an hour`)
	case len(r.Reason) > maxReason:
		return out, bad(fmt.Sprintf("the reason has %d bytes, and %d is the most", len(r.Reason), maxReason), "write it shorter")
	}
	out.Address = *r.Address
	var err error
	if out.For, err = time.ParseDuration(*r.For); err != nil || out.For < leastBan {
		return out, bad(fmt.Sprintf("for %q: no duration of at least %s", *r.For, leastBan), "write 90s, 15m or 2h")
	}
	return out, nil
}

func bans(s *server, w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	v, err := s.backend.Bans(r.Context())
	return answer(w, v.whole(), err)
}

func ban(s *server, w http.ResponseWriter, r *http.Request) error {
	var ask banRequest
	if err := body(r, &ask); err != nil {
		return err
	}
	request, err := ask.read()
	if err != nil {
		return err
	}
	v, err := s.backend.Ban(r.Context(), request)
	return answer(w, v.whole(), err)
}

func unban(s *server, w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	v, err := s.backend.Unban(r.Context(), r.PathValue("name"))
	return answer(w, v.whole(), err)
}

func (b Bans) whole() Bans {
	b.Bans = whole(b.Bans)
	return b
}

// Bans asks who is banned.
func (c *Client) Bans(ctx context.Context) (v Bans, err error) {
	return v, c.get(ctx, "bans", &v)
}

// Ban asks for a ban, and gives it as it stands then.
func (c *Client) Ban(ctx context.Context, ask BanRequest) (v Bans, err error) {
	duration := ask.For.String()
	return v, c.post(ctx, "bans", banRequest{&ask.Address, &duration, ask.Reason, ask.Force}, &v)
}

// Unban asks for the end of a ban, and gives it as it was.
func (c *Client) Unban(ctx context.Context, address string) (v Bans, err error) {
	return v, c.decode(ctx, http.MethodDelete, "bans/"+url.PathEscape(address), nil, &v)
}
