package daemon

import (
	"testing"

	"pfw/e2e/hosts"
)

// What a machine says to itself is not judged, and is no reason to stumble.
func TestReloadWithConnectionsThatStayOnTheMachine(t *testing.T) {
	local, _ := hosts.Pair(t)
	d := hosts.Run(t, local, blockAll)
	streams := []*hosts.Stream{stream(t, local, local, "127.0.0.1:80"), stream(t, local, local, "192.0.2.10:81"), stream(t, local, local, "[2001:db8::10]:82")}
	edit(t, d, web)
	reload(t, d)
	if err := d.Hup(); err != nil {
		t.Fatal(err)
	}
	for i, s := range streams {
		if err := s.Alive(limit); err != nil {
			t.Errorf("stream %d: %v", i, err)
		}
	}
	isIn(t, d, "ok")
}
