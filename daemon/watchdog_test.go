package daemon

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
	"pfw/enforce/nflog"
)

// While a big list is loaded, an address that is learned waits until it is, and who reads the DNS's answers with it. pfwd must not
// be ended for that.
func TestWatchdogDoesNotAskWhoWaitsForABigList(t *testing.T) {
	var reader *nflog.Reader
	err := hosts.New(t, "local").Do(func() (err error) {
		reader, err = nflog.OpenWhole(102, slog.New(slog.DiscardHandler))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	d := &Daemon{work: t.Context()}
	d.readers = newReaders(d)
	d.domains = &domains{d: d, readers: map[uint16]*copies{102: {Reader: reader}}} // which nobody runs
	defer d.hold()()
	err = d.works(api.NewClient(filepath.Join(t.TempDir(), "none.sock")), 50*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "the control socket does not answer") {
		t.Errorf("got %v", err)
	}
}
