package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Domain is a name of the DNS, or all names below one. The zero value is invalid.
type Domain struct {
	name  string
	below bool
}

// ParseDomain reads a name as its DNS messages spell it: letters, digits, '-' and '_', in labels of up to 63 bytes, 253 in
// all (RFC 1035 section 2.3.4). "*." before it stands for every name below, at any depth, and not for the name itself.
func ParseDomain(s string) (Domain, error) {
	name, below := strings.CutPrefix(s, "*.")
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || len(name) > 253 {
		return Domain{}, fmt.Errorf("%q is no name: it has 1 to 253 characters", s)
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return Domain{}, fmt.Errorf("%q is no name: between its dots are 1 to 63 characters", s)
		}
		if i := strings.IndexFunc(label, func(r rune) bool { return !inLabel(r) }); i >= 0 {
			return Domain{}, fmt.Errorf("%q is no name: it has letters, digits, '-' and '_', and dots between them", s)
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return Domain{}, fmt.Errorf("%q is no name: its last part is a number", s)
	}
	return Domain{name, below}, nil
}

func inLabel(r rune) bool {
	return r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
}

// String gives the name, with "*." before it where it stands for those below.
func (d Domain) String() string {
	if d.below {
		return "*." + d.name
	}
	return d.name
}

// Name gives the name itself; below says that it stands for those below.
func (d Domain) Name() (name string, below bool) { return d.name, d.below }

// Domains are names of which one end of a rule may have any, each once, in order. The zero value is none.
type Domains struct{ list []Domain }

// NewDomains puts names together.
func NewDomains(list ...Domain) Domains {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Domain) int { return strings.Compare(a.String(), b.String()) })
	return Domains{slices.Compact(list)}
}

// None tells whether there is no name.
func (d Domains) None() bool { return len(d.list) == 0 }

// List gives the names.
func (d Domains) List() []Domain { return slices.Clone(d.list) }

// String gives the names with commas between them: it tells Domains apart.
func (d Domains) String() string { return joined(d.list) }

// covers tells whether each of the others is one of d's.
func (d Domains) covers(other Domains, work *int) bool {
	*work += len(d.list) + len(other.list)
	has := make(map[Domain]bool, len(d.list))
	for _, x := range d.list {
		has[x] = true
	}
	return !slices.ContainsFunc(other.list, func(y Domain) bool {
		if has[y] {
			return false
		}
		for name := y.name; ; {
			_, rest, more := strings.Cut(name, ".")
			if !more {
				return true
			}
			if name = rest; has[Domain{name, true}] {
				return false
			}
		}
	})
}

// meet tells whether some name is one of both.
func (d Domains) meet(other Domains) bool {
	for _, x := range d.list {
		one := Domains{[]Domain{x}}
		for _, y := range other.list {
			another := Domains{[]Domain{y}}
			if one.covers(another, new(int)) || another.covers(one, new(int)) {
				return true
			}
		}
	}
	return false
}

// Naming is what is known of the addresses of names.
type Naming interface {
	// Named tells whether the address is one that the name has now, by the answers that were seen, and whether it is one
	// that the name has now or had before.
	Named(d Domain, a netip.Addr) (now, once bool)
}

// of tells whether the address is one of the names'. It may be where it was, of what is under way since then.
func (d Domains) of(a netip.Addr, f *Flow) answer {
	result := answer(no)
	if f.Names == nil {
		return no
	}
	for _, x := range d.list {
		now, once := f.Names.Named(x, a)
		if now {
			return yes
		}
		if once && f.UnderWay {
			result = maybe
		}
	}
	return result
}
