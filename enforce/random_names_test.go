package enforce

import (
	"net/netip"
	"slices"

	"pfw/config/policy"
)

// knownNames are addresses that names have.
type knownNames map[policy.Domain][]Resolved

func (k knownNames) Named(d policy.Domain, a netip.Addr) (now, once bool) {
	now = slices.ContainsFunc(k[d], func(r Resolved) bool { return r.Address == a })
	return now, now
}

func (k knownNames) of(d policy.Domain) []Resolved { return k[d] }

var randomDomains = []policy.Domain{domainOf("example.com"), domainOf("www.example.com"), domainOf("*.example.com"), domainOf("example.net"), domainOf("example.org")}

func domainOf(s string) policy.Domain {
	d, err := policy.ParseDomain(s)
	if err != nil {
		panic(err)
	}
	return d
}

func (w *randomWorld) someDomains() policy.Domains {
	list := make([]policy.Domain, 1+w.r.IntN(3))
	for i := range list {
		list[i] = randomDomains[w.r.IntN(len(randomDomains))]
	}
	return policy.NewDomains(list...)
}

var randomNames = []string{"eth0", "eth1", "eth10", "eth", "wlan0", "wg-home", "abcdefghijklmno"}

func (w *randomWorld) names() []policy.Interface {
	patterns := append(slices.Clone(randomNames), "eth*", "eth1*", "e*", "w*", "wlan*", "abcdefghijklmno*")
	return interfaces(w.t, some(w.r, func() string { return patterns[w.r.IntN(len(patterns))] })...)
}
