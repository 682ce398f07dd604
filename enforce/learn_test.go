package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pfw/config/policy"
	"pfw/e2e/hosts"
)

// fromNames blocks what comes from addresses of two names, and lets in all else.
func fromNames(t *testing.T) (*policy.Policy, policy.Domains) {
	t.Helper()
	names := policy.NewDomains(domainOf("example.com"), domainOf("*.example.net"))
	some := policy.NewAddresses(new(policy.AddressSet), "names").Or(names, nil)
	return build(t, allowing, logging, policy.Rule{Name: "names", Action: policy.Block, Severity: policy.Low, Traffic: policy.AnyTraffic{},
		Scope: policy.Inbound{Ends: policy.Ends{Remote: some}}}), names
}

func TestAddressesOfNames(t *testing.T) {
	g := newGround(t, TableOptions{})
	p, names := fromNames(t)
	known := func(policy.Domain) []Resolved {
		return []Resolved{{netip.MustParseAddr("192.0.2.1"), time.Hour}, {netip.MustParseAddr("2001:db8::1"), time.Hour}}
	}
	apply := func(known Resolver) {
		t.Helper()
		if _, err := g.table.Apply(t.Context(), Compile(p, Options{Now: now, Resolver: known})); err != nil {
			t.Fatal(err)
		}
	}
	apply(known)
	from := func(a string) hosts.Packet {
		packet := to(6, 22)
		packet.Source = netip.MustParseAddr(a)
		return packet
	}
	decides := func(a, want string) {
		t.Helper()
		if got := g.decided(from(a), want); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
	learn := func(left time.Duration, list ...string) error {
		var all []Resolved
		for _, a := range list {
			all = append(all, Resolved{netip.MustParseAddr(a), left})
		}
		return g.table.Learn(t.Context(), names, all)
	}
	decides("192.0.2.1", "rule/names")
	decides("192.0.2.2", "default/in")
	// Learned, over a reload, for its time.
	if err := learn(2*time.Second, "192.0.2.2", "2001:db8::2"); err != nil {
		t.Fatal(err)
	}
	decides("192.0.2.2", "rule/names")
	apply(nil)
	decides("192.0.2.1", "rule/names")
	if left, ok, err := g.table.socket.stays(NameSet(names, policy.IPv6), netip.MustParseAddr("2001:db8::2")); err != nil || !ok || left > 2*time.Second {
		t.Errorf("%s %t %v", left, ok, err)
	}
	// The longer time counts, in both orders.
	if err := learn(time.Minute, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if left, _, err := g.table.socket.stays(NameSet(names, policy.IPv4), netip.MustParseAddr("192.0.2.1")); err != nil || left < 50*time.Minute {
		t.Errorf("%s %v", left, err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, ok, _ := g.table.socket.stays(NameSet(names, policy.IPv4), netip.MustParseAddr("192.0.2.2")); !ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an address stays beyond its time")
		}
	}
	decides("192.0.2.2", "default/in")
	if err := learn(time.Hour, "192.0.2.2"); err != nil {
		t.Fatal(err)
	}
	decides("192.0.2.2", "rule/names")
	// One whose time was over before the kernel had it does not stay for ever.
	if err := errors.Join(learn(0, "192.0.2.3"), learn(-time.Second, "192.0.2.4")); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"192.0.2.3", "192.0.2.4"} {
		if left, ok, err := g.table.socket.stays(NameSet(names, policy.IPv4), netip.MustParseAddr(a)); ok || err != nil {
			t.Errorf("%s is there for %s: %v", a, left, err)
		}
	}
	// Another process takes the table over as it is.
	if differs, err := g.table.Verify(t.Context()); err != nil || len(differs) > 0 {
		t.Errorf("%v %v", differs, err)
	}
}

func TestRoomForAddressesOfNames(t *testing.T) {
	g := newGround(t, TableOptions{})
	p, names := fromNames(t)
	g.apply(p)
	var all []Resolved
	room := Room(names)
	for i := range room + 1 {
		all = append(all, Resolved{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), time.Hour})
	}
	if err := g.table.Learn(t.Context(), names, all[:room]); err != nil {
		t.Fatal(err)
	}
	if err := g.table.Learn(t.Context(), names, all[room:]); !errors.Is(err, ErrAddressesFull) || !strings.Contains(err.Error(), fmt.Sprint(room)) {
		t.Errorf("%v", err)
	}
	if err := g.table.Learn(t.Context(), names, []Resolved{{all[0].Address, 2 * time.Hour}}); err != nil {
		t.Errorf("one that is there already has no room: %v", err)
	}
	// One that is there keeps its room whatever comes with it.
	if err := g.table.Learn(t.Context(), names, []Resolved{{all[1].Address, 2 * time.Hour}, all[room]}); !errors.Is(err, ErrAddressesFull) {
		t.Errorf("%v", err)
	}
	if left, _, err := g.table.socket.stays(NameSet(names, policy.IPv4), all[1].Address); err != nil || left < 90*time.Minute {
		t.Errorf("it is there for %s: %v", left, err)
	}
	if err := g.table.socket.commit(t.Context(), forgetting(names, all[2].Address)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); g.table.Learn(t.Context(), names, all[room:]) != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("there is room again, and it is not taken")
		}
	}
}

// forgetting takes an address out.
func forgetting(names policy.Domains, a netip.Addr) *batch {
	var b batch
	e := b.elementsOf("delete", unix.NFT_MSG_DELSETELEM, NameSet(names, familyOf(a)))
	e.add(element{key: a.AsSlice()})
	e.flush()
	return &b
}
