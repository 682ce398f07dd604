package config

import (
	"strings"

	"pfw/config/policy"
)

// domainPrefix begins what a rule says of a name.
const domainPrefix = "domain:"

// mostNames bounds the names in all rules together: each is looked up again and again.
const mostNames = 4096

const domainForms = `write a name like "domain:example.com", or "domain:*.example.com" for all names below it`

// parseDomain reads a name of the DNS.
func parseDomain(s string) (policy.Domain, *fault) {
	if strings.Contains(s, "://") || strings.Contains(s, "/") {
		return policy.Domain{}, wrong("write the name alone", "%q is no name", s)
	}
	if _, w := parseSpan(s); w == nil {
		return policy.Domain{}, wrong("write the address without domain:", "%q is no name", s)
	}
	name := strings.TrimPrefix(s, "*.")
	if strings.Contains(name, "*") {
		return policy.Domain{}, wrong(`"*." stands at the beginning, for all names below`, "%q is no name", s)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r > 0x7f }) {
		return policy.Domain{}, wrong(`write it as the DNS has it, where such a part begins with "xn--"`, "%q has letters that the DNS has not", s)
	}
	d, err := policy.ParseDomain(s)
	if err != nil {
		return policy.Domain{}, wrong(domainForms, "%s", err)
	}
	return d, nil
}

// domain notes that a rule names a domain.
func (l *lists) domain(s string) (policy.Domain, *fault) {
	d, w := parseDomain(s)
	if w != nil {
		return d, w
	}
	if l.domains[d] = true; len(l.domains) == mostNames+1 {
		return d, wrong(`"domain:*.example.com" stands for all names below it`, "the rules of the files name more than %d domains", mostNames)
	}
	return d, nil
}

// unseen is what is to be said of a name whose answers do not come by the DNS.
func unseen(d policy.Domain) *fault {
	if name, _ := d.Name(); name == "local" || strings.HasSuffix(name, ".local") {
		return wrong("write its address", "names below .local are asked for by mDNS, whose answers are not seen, so %s may have no address", d)
	}
	return nil
}

// answersFit sees to it that there is a group of nflog for the answers of the DNS: the next but one after that of the log.
func (l *loader) answersFit() {
	const last = 1<<16 - 1
	if len(l.lists.domains) == 0 || l.log.Group <= last-2 {
		return
	}
	// Only a file that says so has it as high.
	f := l.read[0]
	t := f.root.fields["log"].value.table
	r := reader{f: f, t: t, place: "[log]"}
	r.fail("group", t.fields["group"].value.at, wrong("choose a smaller one", "a rule names a domain, for which group + 2 is used, and there is no group %d", int(l.log.Group)+2))
}
