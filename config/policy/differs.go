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

func addressDiffers(key string, f *Flow, end Field[netip.Addr], a Addresses) string {
	if a.empty(f.Family) {
		return fmt.Sprintf("the packet is %s, %s = %s holds no %s address", f.Family, key, a, f.Family)
	}
	if end.state == anything {
		return fmt.Sprintf("this machine's own address is not meant, the rule asks for %s", a)
	}
	text := differs(key, end, a.String(), nil)
	addr, ok := end.Get()
	if !ok || a.Static() {
		return text
	}
	if name := a.except.having(addr, f); name != "" {
		return fmt.Sprintf("%s, and that is an address of %s", text, name)
	}
	if f.Names == nil && !a.named.None() {
		return text + "; which addresses names have is not known here"
	}
	return text
}

// namesMet says which names have the addresses of a flow that meets the rule, "" where names have no part in it.
func (r *Rule) namesMet(f *Flow) string {
	m, _ := r.Match(f.Direction)
	text := ""
	for _, end := range []struct {
		of   Field[netip.Addr]
		asks Addresses
	}{{f.Source, m.Source}, {f.Destination, m.Destination}} {
		addr, ok := end.of.Get()
		if !ok || end.asks.Any() || end.asks.set.Contains(addr) {
			continue
		}
		if name := end.asks.named.having(addr, f); name != "" {
			text += fmt.Sprintf("; %s is an address of %s", addr, name)
		}
	}
	return text
}

// having gives the first of the names that has the address, "" where none has.
func (d Domains) having(a netip.Addr, f *Flow) string {
	for _, x := range d.list {
		if (Domains{[]Domain{x}}).of(a, f) == yes {
			return x.String()
		}
	}
	return ""
}
