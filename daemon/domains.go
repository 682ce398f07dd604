package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"pfw/config/policy"
	"pfw/daemon/audit"
	"pfw/daemon/names"
	"pfw/enforce"
	"pfw/enforce/nflog"
)

// domains has the kernel know the addresses of the names in rules: those that answers of the DNS give which this machine gets,
// and those that pfwd asks for itself.
type domains struct {
	d     *Daemon
	path  string
	book  *names.Book
	asker *names.Asker

	// change is held by whatever changes what the kernel's sets hold, or which there are. It is taken after Daemon.change,
	// where both are.
	change sync.Mutex
	// sets are what the rules in force ask for together; under change.
	sets []policy.Domains
	// fresh are addresses whose open connections are to be judged; under change. met wakes the task that does.
	fresh map[netip.Addr]bool
	met   chan struct{}

	mu      sync.Mutex
	readers map[uint16]*copies
	// gone is what readers that are closed have seen, and lost what they have lost.
	gone names.Seen
	lost uint64
	// told is how much of that is told; of the task that does.
	told uint64
}

// copies are what a group of nflog hands over.
type copies struct {
	*nflog.Reader
	*names.Watcher
}

// addressesTime is how often addresses are saved where they changed.
const addressesTime = 5 * time.Second

func newDomains(d *Daemon) *domains {
	x := &domains{d: d, path: filepath.Join(d.o.StateDir, "names.json"), book: names.NewBook(), met: make(chan struct{}, 1),
		fresh: map[netip.Addr]bool{}, readers: map[uint16]*copies{}}
	x.asker = names.NewAsker(x.book, d.o.lookup, x.taught)
	text, err := os.ReadFile(x.path)
	var saved names.State
	if err == nil {
		err = json.Unmarshal(text, &saved)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("addresses that names had are not known", "error", err)
	}
	x.book.Restore(saved)
	return x
}

// open reads the group that the policy copies answers to, where it does and that is not read yet.
func (x *domains) open(p *policy.Policy) (opened []uint16, err error) {
	group, ok := enforce.AnswersGroup(p)
	x.mu.Lock()
	defer x.mu.Unlock()
	if !ok || x.readers[group] != nil {
		return nil, nil
	}
	reader, err := nflog.OpenWhole(group, x.d.log)
	if errors.Is(err, nflog.ErrGroupTaken) {
		err = fmt.Errorf("%w; end it, or choose another with [log] group", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read answers of the DNS: %w", err)
	}
	c := &copies{reader, names.NewWatcher(x.book)}
	x.readers[group] = c
	x.d.group.Go(func() error {
		return reader.RunWhole(x.d.work, func(packet []byte) { x.taught(c.Packet(packet, time.Now())) })
	})
	return []uint16{group}, nil
}

// retire ends the readers of groups that the policy copies nothing to. Nobody may hold what taught waits for.
func (x *domains) retire(p *policy.Policy) {
	used, ok := enforce.AnswersGroup(p)
	var groups []uint16
	x.mu.Lock()
	for group := range x.readers {
		if !ok || group != used {
			groups = append(groups, group)
		}
	}
	x.mu.Unlock()
	x.close(groups)
}

func (x *domains) close(groups []uint16) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, group := range groups {
		c := x.readers[group]
		if err := c.Close(); err != nil {
			x.d.log.Warn("reader of the DNS's answers not closed cleanly", "error", err)
		}
		x.gone, x.lost = x.gone.And(c.Seen()), x.lost+c.Lost()
		delete(x.readers, group)
	}
}

// seen counts the messages of the DNS that came, and those that were lost on the way here.
func (x *domains) seen() (seen names.Seen, lost uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	seen, lost = x.gone, x.lost
	for _, c := range x.readers {
		seen, lost = seen.And(c.Seen()), lost+c.Lost()
	}
	return seen, lost
}

// alive tells whether the readers go round.
func (x *domains) alive(ctx context.Context) error {
	x.mu.Lock()
	list := make([]*copies, 0, len(x.readers))
	for _, c := range x.readers {
		list = append(list, c)
	}
	x.mu.Unlock()
	for _, c := range list {
		if err := c.Alive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// resolver fills sets that are new.
func (x *domains) resolver(name policy.Domain) (out []enforce.Resolved) {
	now := time.Now()
	for a, until := range x.book.Addresses(name) {
		out = append(out, enforce.Resolved{Address: a, Left: until.Sub(now)})
	}
	return out
}

// about lists the names that are asked for together, each once.
func about(sets []policy.Domains) (out []policy.Domain) {
	seen := map[policy.Domain]bool{}
	for _, s := range sets {
		for _, name := range s.List() {
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}

// prepare has the book know of what a policy is about, beside what the one in force is.
func (x *domains) prepare(p *policy.Policy) {
	x.change.Lock()
	defer x.change.Unlock()
	x.book.About(about(slices.Concat(x.sets, p.Named())))
}

// inForce takes a policy's names for those in force. change is held, since before the policy was put in force.
func (x *domains) inForce(ctx context.Context, p *policy.Policy) {
	before := map[string]bool{}
	for _, s := range x.sets {
		before[s.String()] = true
	}
	x.sets = p.Named()
	list := about(x.sets)
	x.book.About(list)
	x.asker.About(list)
	for _, s := range x.sets {
		if before[s.String()] {
			continue
		}
		// What was learned since the ruleset was made is not in the sets that are new.
		var known []enforce.Resolved
		for _, name := range s.List() {
			known = append(known, x.resolver(name)...)
		}
		x.learn(ctx, s, known)
	}
}

// taught has the kernel know what is new.
func (x *domains) taught(list []names.Taught) {
	if len(list) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(x.d.work, patience)
	defer cancel()
	x.change.Lock()
	defer x.change.Unlock()
	now := time.Now()
	for _, s := range x.sets {
		var some []enforce.Resolved
		for _, name := range s.List() {
			for _, t := range list {
				if t.Domain == name {
					some = append(some, enforce.Resolved{Address: t.Address, Left: t.Until.Sub(now)})
				}
			}
		}
		x.learn(ctx, s, some)
	}
	for _, t := range list {
		if t.New {
			x.fresh[t.Address] = true
		}
	}
	if len(x.fresh) > 0 {
		wake(x.met)
	}
}

// learn puts addresses into the sets of names that are asked for together. change is held.
func (x *domains) learn(ctx context.Context, s policy.Domains, list []enforce.Resolved) {
	if len(list) == 0 {
		return
	}
	err := x.d.table.Learn(ctx, s, list)
	switch {
	case err == nil || x.d.work.Err() != nil:
	case errors.Is(err, enforce.ErrAddressesFull):
		x.d.faults.hold(addressesFull, time.Hour, err.Error()+": "+s.String(), "name fewer domains in one rule, or those below them one by one")
	default:
		x.d.log.Error("addresses of names not put in force", "names", s, "error", err)
		x.d.faults.hold(unlearned, time.Hour, fmt.Sprintf("addresses of %s are not in force: %v", s, err), "pfw reload puts in force what is known of them")
	}
}

// keepDomains asks for names, cuts connections to addresses that are new, and saves what is known.
func (d *Daemon) keepDomains() error {
	d.group.Go(func() error { return d.domains.asker.Run(d.work) })
	ticker := time.NewTicker(addressesTime)
	defer ticker.Stop()
	for {
		select {
		case <-d.work.Done():
			d.domains.save()
			return nil
		case <-d.domains.met:
			d.cutNamed(d.work)
		case <-ticker.C:
			d.domains.save()
			d.domains.watch()
			d.domains.watchLost()
		}
	}
}

// watch tells of names that nobody knows an address of. That a name is not there is for the person to know who wrote the rule, and
// nothing is wrong for that: lists of names to block are full of such. That nobody answers is.
func (x *domains) watch() {
	// One that is not found may be found a moment later, as when the network comes up.
	const patient = 4
	asked := x.asker.Asked()
	unknown := map[fault][]string{}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		of, err := policy.ParseDomain(name)
		if err != nil || asked[name].Failed < patient || len(x.book.Addresses(of)) > 0 {
			continue
		}
		kind := unresolved
		var answer *net.DNSError
		if errors.As(asked[name].Err, &answer) && answer.IsNotFound {
			kind = nameless
		}
		unknown[kind] = append(unknown[kind], name)
	}
	for kind, remedy := range map[fault]string{
		unresolved: "see whether this machine's resolver answers, and whether the rules let pfwd ask it; pfw lists has all of them",
		nameless:   "see whether the name is right; pfw lists has all of them",
	} {
		list := unknown[kind]
		if len(list) == 0 {
			x.d.faults.clear(kind)
			continue
		}
		what := fmt.Sprintf("no address of %s is known, so no rule matches for it: %v", list[0], asked[list[0]].Err)
		if n := len(list) - 1; n > 0 {
			what = fmt.Sprintf("no address of %s, and of %d more, is known, so no rule matches for them: %v", list[0], n, asked[list[0]].Err)
		}
		x.d.faults.set(kind, what, remedy)
	}
}

func (x *domains) save() {
	s, changed := x.book.State()
	if !changed {
		return
	}
	if err := saveJSON(x.path, s); err != nil {
		x.book.Unsaved()
		x.d.unsaved(unsavedNames, err)
		return
	}
	x.d.faults.clear(unsavedNames)
}

// cutNamed ends connections that the policy refuses now that an address is known to be a name's.
func (d *Daemon) cutNamed(ctx context.Context) {
	d.cutting.Lock()
	defer d.cutting.Unlock()
	d.domains.change.Lock()
	fresh := d.domains.fresh
	d.domains.fresh = map[netip.Addr]bool{}
	d.domains.change.Unlock()
	if len(fresh) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := d.cutRefused(ctx, time.Now(), func(c *enforce.Connection, _ *policy.Flow) bool {
		return fresh[c.Source.Addr()] || fresh[c.Destination.Addr()]
	})
	if err != nil && d.work.Err() == nil {
		d.notCut(err)
	}
}

// nameEnd gives an entry the name of its other end, where it is known: of what passes through, that of where it goes first.
func (d *Daemon) nameEnd(e *audit.Entry) {
	if e.Direction != policy.In.String() {
		e.PFW.Name = d.domains.book.Name(e.DestIP)
	}
	if e.PFW.Name == "" && e.Direction != policy.Out.String() {
		e.PFW.Name = d.domains.book.Name(e.SrcIP.Addr())
	}
}
