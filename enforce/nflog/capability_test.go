package nflog

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenNeedsCapability(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test, and its missing capabilities with it
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
	_, err := Open(group, slog.New(slog.DiscardHandler))
	if !errors.Is(err, os.ErrPermission) || errors.Is(err, ErrGroupTaken) || !strings.Contains(fmt.Sprint(err), "CAP_NET_ADMIN") {
		t.Errorf("got %v", err)
	}
}
