package enforce

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func (s *socket) readCounters(got *snapshot) error {
	return s.dump(unix.NFT_MSG_GETOBJ, func(attributes []byte) error {
		var name string
		var kind uint32
		var value Counter
		ad, err := netlink.NewAttributeDecoder(attributes)
		if err != nil {
			return err
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_OBJ_NAME:
				name = ad.String()
			case unix.NFTA_OBJ_TYPE:
				kind = ad.Uint32()
			case unix.NFTA_OBJ_DATA:
				ad.Nested(func(in *netlink.AttributeDecoder) error {
					for in.Next() {
						switch in.Type() {
						case unix.NFTA_COUNTER_BYTES:
							value.Bytes = in.Uint64()
						case unix.NFTA_COUNTER_PACKETS:
							value.Packets = in.Uint64()
						}
					}
					return nil
				})
			}
		}
		if kind == unix.NFT_OBJECT_COUNTER {
			got.counters[name] = value
		}
		return ad.Err()
	})
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
