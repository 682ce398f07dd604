package api

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

func TestConnectionsOnTheWire(t *testing.T) {
	in, none := uint64(1203), uint64(0)
	for _, c := range []struct {
		v    Connection
		want string
	}{
		{Connection{Proto: "tcp", State: "listen", LocalIP: netip.IPv6Unspecified(), LocalPort: 22, PID: 812, Exe: "/usr/sbin/sshd", User: "root",
			Unit: "ssh.service", Verdict: "allow", Rule: "ssh", Reach: &Reach{From: "some", Remotes: []string{"@lan"}, Rules: []string{"ssh"}}},
			`{"proto":"tcp","state":"listen","local_ip":"::","local_port":22,"pid":812,"exe":"/usr/sbin/sshd","uid":0,"user":"root","unit":"ssh.service",` +
				`"verdict":"allow","rule":"ssh","reach":{"from":"some","remotes":["@lan"],"rules":["ssh"]}}`},
		{Connection{Proto: "udp", State: "established", LocalIP: netip.MustParseAddr("192.0.2.10"), LocalPort: 5353, RemoteIP: netip.MustParseAddr("192.0.2.7"),
			RemotePort: 53, Direction: "out", UID: 1000, BytesIn: &none, BytesOut: &in, Verdict: "block", Rule: "default"},
			`{"proto":"udp","state":"established","local_ip":"192.0.2.10","local_port":5353,"remote_ip":"192.0.2.7","remote_port":53,"direction":"out",` +
				`"uid":1000,"bytes_in":0,"bytes_out":1203,"verdict":"block","rule":"default"}`},
	} {
		text, err := Encode(c.v)
		if got := strings.TrimSuffix(string(text), "\n"); err != nil || got != c.want {
			t.Errorf("%v\n got %s\nwant %s", err, got, c.want)
		}
		var back Connection
		if err := json.Unmarshal(text, &back); err != nil {
			t.Error(err)
		}
	}
	path := start(t, &fake{}, newGate())
	if status, _, text := raw(t, path, "GET", "/v1/connections", ""); status != 200 || text != `{"connections":[]}`+"\n" {
		t.Errorf("%d %s", status, text)
	}
	if status, _, _ := raw(t, path, "GET", "/v1/connections?all=1", ""); status != 400 {
		t.Errorf("an unknown switch: %d", status)
	}
	got, err := NewClient(path).Connections(t.Context())
	if err != nil || len(got.Connections) != 0 {
		t.Errorf("%v %v", got, err)
	}
}
