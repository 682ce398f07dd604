package policy

import (
	"fmt"
	"net/netip"
	"time"
)

// differs says that a fact is not what a rule asks for, or that the packet does not tell it.
func differs[T any](what string, f Field[T], asked string, spell func(T) string) string {
	v, ok := f.Get()
	if !ok {
		return fmt.Sprintf("the packet names no %s, the rule asks for %s", what, asked)
	}
	text := fmt.Sprint(v)
	if t, isTime := any(v).(time.Time); isTime {
		text = t.Format("Mon 2006-01-02 15:04:05")
	}
	if spell != nil {
		text = spell(v)
	}
	return fmt.Sprintf("%s is %s, the rule asks for %s", what, text, asked)
}

func addressDiffers(key string, f Field[netip.Addr], a Addresses, family Family) string {
	if a.set.Empty(family) {
		return fmt.Sprintf("the packet is %s, %s = %s holds no %s address", family, key, a, family)
	}
	if f.state == anything {
		return fmt.Sprintf("this machine's own address is not meant, the rule asks for %s", a)
	}
	return differs(key, f, a.String(), nil)
}
