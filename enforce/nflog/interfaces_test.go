package nflog

import (
	"errors"
	"testing"
	"time"
)

func TestInterfaceNames(t *testing.T) {
	names := map[uint32]string{1: "lo", 2: "eth0"}
	asked := 0
	i := interfaces{lookup: func(index uint32) (string, error) {
		asked++
		if name, ok := names[index]; ok {
			return name, nil
		}
		return "", errors.New("no such device")
	}}
	now := time.Now()
	check := func(index uint32, want string) {
		t.Helper()
		if got := i.name(index, now); got != want {
			t.Errorf("interface %d: got %q, want %q", index, got, want)
		}
	}

	check(0, "")
	check(1, "lo")
	check(2, "eth0")
	check(2, "eth0")
	if asked != 2 {
		t.Errorf("asked %d times for two names", asked)
	}
	check(3, "")
	names[2] = "wan0"
	delete(names, 1)
	now = now.Add(time.Second)
	check(2, "wan0")
	check(1, "")

	for index := range uint32(10_000) {
		i.name(index, now)
	}
	if len(i.names) > namesKept {
		t.Errorf("%d names are kept, of interfaces long gone", len(i.names))
	}
}

func TestHookString(t *testing.T) {
	for number, want := range []string{0: "other", 1: "input", 2: "forward", 3: "output", 4: "other"} {
		if got := hookOf(uint8(number)).String(); got != want {
			t.Errorf("kernel hook %d: got %s, want %s", number, got, want)
		}
	}
}
