package enforce

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// object is a named object of the table: a counter, or something that is not pfw's.
type object struct {
	name string
	kind uint32
}

// readCounters reads the counters, and which other objects there are.
func (s *socket) readCounters(got *snapshot) error {
	return s.dump(unix.NFT_MSG_GETOBJ, inTable(), func(attributes []byte) error {
		var o object
		var data []byte
		ad, err := netlink.NewAttributeDecoder(attributes)
		if err != nil {
			return err
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_OBJ_NAME:
				o.name = ad.String()
			case unix.NFTA_OBJ_TYPE:
				o.kind = ad.Uint32()
			case unix.NFTA_OBJ_DATA:
				data = ad.Bytes()
			}
		}
		if err := ad.Err(); err != nil {
			return err
		}
		if o.kind != unix.NFT_OBJECT_COUNTER {
			got.strangers = append(got.strangers, o)
			return nil
		}
		got.counters[o.name], err = parseCounter(data)
		return err
	})
}

func parseCounter(data []byte) (c Counter, err error) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return Counter{}, err
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_COUNTER_BYTES:
			c.Bytes = ad.Uint64()
		case unix.NFTA_COUNTER_PACKETS:
			c.Packets = ad.Uint64()
		}
	}
	return c, ad.Err()
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
	got := snapshot{counters: map[string]Counter{}}
	if err := t.socket.readCounters(&got); err != nil {
		return Counters{}, fmt.Errorf("read counters: %w", err)
	}
	return t.placed(got.counters), nil
}

// placed sorts readings by what they count.
func (t *Table) placed(readings map[string]Counter) Counters {
	c := newCounters()
	for name, value := range readings {
		c.put(name, value)
	}
	for name, r := range c.Rules {
		r.Logged = t.logged[ruleCounter+string(name)]
		c.Rules[name] = r
	}
	for d, r := range c.Defaults {
		r.Logged = t.logged[defaultCounter+d.String()]
		c.Defaults[d] = r
	}
	return c
}
