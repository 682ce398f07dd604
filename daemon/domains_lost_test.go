package daemon

import (
	"log/slog"
	"strings"
	"testing"
)

func TestLostMessagesOfTheDNSAreTold(t *testing.T) {
	var log strings.Builder
	x := &domains{d: &Daemon{faults: newFaults(), log: slog.New(slog.NewTextHandler(&log, nil))}}
	x.watchLost()
	if x.d.faults.stands(unheard) || log.Len() > 0 {
		t.Errorf("nothing is lost, and it says %s", log.String())
	}
	for _, lost := range []uint64{2, 2, 5} {
		x.lost = lost
		x.watchLost()
	}
	if what, _ := x.d.faults.what(unheard); !strings.HasPrefix(what, "5 messages of the DNS were lost") || strings.Count(log.String(), "lost") != 2 || !strings.Contains(log.String(), "messages=3") {
		t.Errorf("%q\n%s", what, log.String())
	}
}
