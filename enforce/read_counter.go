package enforce

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"pfw/config/policy"
)

// object is a named object of the table: a counter, or something that is not pfw's.
type object struct {
	name string
	kind uint32
}

// readCounters reads the counters, and which other objects there are.
func (s *socket) readCounters(got *snapshot) error {
	return s.eachCounter(func(name string, value Counter) { got.counters[name] = value }, func(o object) { got.strangers = append(got.strangers, o) })
}

// eachCounter gives the counters as they are read, and the other objects.
func (s *socket) eachCounter(counter func(name string, value Counter), stranger func(object)) error {
	return listing("objects", s.dump(unix.NFT_MSG_GETOBJ, inTable(), func(a []byte) error {
		o := object{text(at(a, unix.NFTA_OBJ_NAME)), uint32(number(at(a, unix.NFTA_OBJ_TYPE)))}
		if o.kind != unix.NFT_OBJECT_COUNTER {
			stranger(o)
			return nil
		}
		data := at(a, unix.NFTA_OBJ_DATA)
		counter(o.name, Counter{Packets: number(at(data, unix.NFTA_COUNTER_PACKETS)), Bytes: number(at(data, unix.NFTA_COUNTER_BYTES))})
		return nil
	}))
}

// Counters reads all counters.
func (t *Table) Counters(ctx context.Context) (Counters, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Counters{}, err
	}
	return t.counters()
}

func (t *Table) counters() (Counters, error) {
	// Once a second: of thousands of rules, what grows by itself is garbage of several times their number.
	c := newCounters()
	c.Rules = make(map[policy.Name]RuleCounters, len(t.logged))
	if err := t.socket.eachCounter(c.put, func(object) {}); err != nil {
		return Counters{}, fmt.Errorf("read counters: %w", err)
	}
	return t.told(c), nil
}

// placed sorts readings by what they count.
func (t *Table) placed(readings map[string]Counter) Counters {
	c := newCounters()
	for name, value := range readings {
		c.put(name, value)
	}
	return t.told(c)
}

// told completes a reading by which of it is to be written.
func (t *Table) told(c Counters) Counters {
	for name, r := range c.Rules {
		r.Logged = t.logged[ruleCounter+string(name)]
		c.Rules[name] = r
	}
	for name, r := range c.Excess {
		r.Logged = t.logged[excessCounter+string(name)]
		c.Excess[name] = r
	}
	for d, r := range c.Defaults {
		r.Logged = t.logged[defaultCounter+d.String()]
		c.Defaults[d] = r
	}
	return c
}
