package names

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"pfw/config/policy"
)

const (
	// atOnce is how many names are asked for at a time, and lookupTime what each may take.
	atOnce     = 8
	lookupTime = 15 * time.Second
	// seldom is how often a name is asked for at least, whatever its answers say; soon is how long before they age.
	seldom = time.Hour
	soon   = 5 * time.Second
	// A name that is not found is asked for again after firstRetry, and then after twice as long each time up to lastRetry.
	firstRetry, lastRetry = 2 * time.Second, 5 * time.Minute
)

// Lookup asks the system's resolver for a name.
type Lookup func(ctx context.Context, name string) ([]netip.Addr, error)

// Asker asks for the names in rules: when they are new, and when their answers age.
type Asker struct {
	book   *Book
	lookup Lookup
	taught func([]Taught)
	wake   chan struct{}

	mu    sync.Mutex
	names map[string]*turn
}

// turn is when a name is asked for next, and how that went last.
type turn struct {
	next   time.Time
	busy   bool
	asked  time.Time
	err    error
	failed int // times in a row
}

// NewAsker makes one that tells taught what is new.
func NewAsker(b *Book, lookup Lookup, taught func([]Taught)) *Asker {
	return &Asker{book: b, lookup: lookup, taught: taught, wake: make(chan struct{}, 1), names: map[string]*turn{}}
}

// About says which names are to be asked for. Who has which names below another cannot be asked.
func (x *Asker) About(list []policy.Domain) {
	x.mu.Lock()
	defer x.mu.Unlock()
	names := map[string]*turn{}
	for _, d := range list {
		if name, below := d.Name(); !below {
			if names[name] = x.names[name]; names[name] == nil {
				names[name] = &turn{next: time.Now()}
			}
		}
	}
	x.names = names
	select {
	case x.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Asked is how a name was asked for last.
type Asked struct {
	At, Next time.Time
	// Err is why there was no answer, and Failed how many times in a row.
	Err    error
	Failed int
}

// Asked tells how names were asked for, those that were.
func (x *Asker) Asked() map[string]Asked {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := map[string]Asked{}
	for name, t := range x.names {
		if !t.asked.IsZero() {
			out[name] = Asked{t.asked, t.next, t.err, t.failed}
		}
	}
	return out
}

// Run asks until ctx ends.
func (x *Asker) Run(ctx context.Context) error {
	group := new(errgroup.Group)
	group.SetLimit(atOnce)
	for {
		next := x.due(time.Now(), func(name string, t *turn) {
			group.Go(func() error {
				x.ask(ctx, name, t)
				return nil
			})
		})
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return group.Wait()
		case <-x.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// due hands over the names that are to be asked for now, and tells how long it is to the next.
func (x *Asker) due(now time.Time, ask func(name string, t *turn)) time.Duration {
	next := seldom
	var list []string
	x.mu.Lock()
	turns := x.names
	for name, t := range turns {
		switch {
		case t.busy:
		case t.next.After(now):
			next = min(next, t.next.Sub(now))
		default:
			t.busy = true
			list = append(list, name)
		}
	}
	x.mu.Unlock()
	for _, name := range list {
		ask(name, turns[name])
	}
	return next
}

func (x *Asker) ask(ctx context.Context, name string, t *turn) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	list, err := x.lookup(ctx, name)
	if ctx.Err() == nil || err == nil {
		if out := x.book.Learn(name, list); len(out) > 0 {
			x.taught(out)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	t.busy, t.asked, t.err = false, now, err
	if err != nil {
		t.next = now.Add(min(firstRetry<<min(t.failed, 10), lastRetry))
		t.failed++
	} else {
		t.failed, t.next = 0, x.book.ages(name, now)
	}
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// ages is when a name is to be asked for again: shortly before the first of its addresses is none any more.
func (b *Book) ages(name string, now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := now.Add(seldom)
	for _, until := range b.resolve(name) {
		if at := until.Add(-soon); at.Before(next) {
			next = at
		}
	}
	if earliest := now.Add(Shortest / 2); next.Before(earliest) {
		return earliest
	}
	return next
}
