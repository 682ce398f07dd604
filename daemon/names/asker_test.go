package names

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"pfw/config/policy"
)

func TestNamesAreAskedForAsTheyAge(t *testing.T) {
	b := NewBook()
	asked := make(chan string, 16)
	fails := errors.New("no such host")
	taught := make(chan []Taught, 16)
	x := NewAsker(b, func(_ context.Context, name string) ([]netip.Addr, error) {
		asked <- name
		if name == "gone.example.com" {
			return nil, fails
		}
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	}, func(out []Taught) { taught <- out })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	list := []policy.Domain{domain(t, "www.example.com"), domain(t, "gone.example.com"), domain(t, "*.example.com")}
	b.About(list)
	x.About(list)
	first := []string{<-asked, <-asked}
	slices.Sort(first)
	if !slices.Equal(first, []string{"gone.example.com", "www.example.com"}) {
		t.Errorf("asked for %v", first)
	}
	if out := <-taught; len(out) != 2 {
		t.Errorf("%+v", out)
	}
	// What fails is tried again after two seconds, what is known is not.
	if again := <-asked; again != "gone.example.com" {
		t.Errorf("asked for %s again", again)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	got := x.Asked()
	if w := got["www.example.com"]; w.Err != nil || w.Next.Sub(w.At) < Shortest/2 || w.Next.Sub(w.At) > Shortest {
		t.Errorf("%+v", w)
	}
	if g := got["gone.example.com"]; !errors.Is(g.Err, fails) || g.Failed == 0 {
		t.Errorf("%+v", g)
	}
}
