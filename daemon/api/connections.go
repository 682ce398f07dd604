package api

import (
	"context"
	"net/http"
	"net/netip"
)

// Connections are the open TCP and UDP sockets: those that wait for others first, then those that have another end, what
// the policy refuses before the rest.
type Connections struct {
	Connections []Connection `json:"connections"`
}

// Connection is an open socket. What is not known is absent.
type Connection struct {
	Proto string `json:"proto"`
	// State is listen, established, time-wait, … as RFC 9293 has them; of UDP, established where the socket is connected,
	// else unconn.
	State string `json:"state"`
	// LocalIP is unspecified where the socket hears at every address; at :: also at those of IPv4, unless V6Only.
	LocalIP   netip.Addr `json:"local_ip"`
	LocalPort uint16     `json:"local_port"`
	V6Only    bool       `json:"v6only,omitempty"`
	// RemoteIP and RemotePort are absent of what waits for others.
	RemoteIP   netip.Addr `json:"remote_ip,omitzero"`
	RemotePort uint16     `json:"remote_port,omitzero"`
	// Interface is the only one that the socket uses, as with a link-local address.
	Interface string `json:"interface,omitempty"`
	// Direction is in or out, who opened the connection.
	Direction string `json:"direction,omitempty"`
	// PID and Exe are the process that holds the socket, the one with the lowest number where there are several: then
	// PIDs lists all.
	PID  int    `json:"pid,omitempty"`
	PIDs []int  `json:"pids,omitempty"`
	Exe  string `json:"exe,omitempty"`
	// UID owns the socket, as the kernel has it: 0 and without User where no process holds it any more.
	UID  uint32 `json:"uid"`
	User string `json:"user,omitempty"`
	Unit string `json:"unit,omitempty"`
	// BytesIn and BytesOut are known where conntrack counts them.
	BytesIn  *uint64 `json:"bytes_in,omitempty"`
	BytesOut *uint64 `json:"bytes_out,omitempty"`
	// Verdict is what the policy in force says: of what waits for others, allow where somebody may come in. Rule is what
	// decides.
	Verdict string `json:"verdict"`
	Rule    string `json:"rule"`
	// Name is what a program asked the DNS for when it was told RemoteIP, the last where there are several.
	Name string `json:"name,omitempty"`
	// Reach is of what waits for others only.
	Reach *Reach `json:"reach,omitempty"`
}

// Reach is from where a socket can be reached under the policy in force.
type Reach struct {
	// From is anywhere, some, nowhere, or loopback: this machine only.
	From string `json:"from"`
	// Remotes are those who may come in, Except those of them who may not, as the rules name them.
	Remotes []string `json:"remotes,omitempty"`
	Except  []string `json:"except,omitempty"`
	// Rules let them in, in order.
	Rules []string `json:"rules,omitempty"`
}

func connections(s *server, w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	v, err := s.backend.Connections(r.Context())
	v.Connections = whole(v.Connections)
	return answer(w, v, err)
}

// Connections asks for the open sockets, who holds them, and what the policy in force says of each.
func (c *Client) Connections(ctx context.Context) (v Connections, err error) {
	return v, c.get(ctx, "connections", &v)
}
