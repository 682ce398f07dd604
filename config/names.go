package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pfw/config/policy"
)

// names finds the numbers of users, groups and services. It reads a file when the first name asks for it.
type names struct {
	src           Source
	users, groups map[string]uint32
	services      map[string]service
	// guesses is nil where no bound is needed: for one packet.
	guesses *guesses
}

// service is the port of a service by protocol.
type service map[policy.Protocol]uint16

// common are the services that are known where /etc/services is not there, which small images leave out, or lacks them.
var common = map[string]service{
	"ftp": {policy.TCP: 21}, "ssh": {policy.TCP: 22}, "telnet": {policy.TCP: 23}, "smtp": {policy.TCP: 25},
	"domain": {policy.TCP: 53, policy.UDP: 53}, "bootps": {policy.UDP: 67}, "bootpc": {policy.UDP: 68}, "tftp": {policy.UDP: 69},
	"http": {policy.TCP: 80}, "kerberos": {policy.TCP: 88, policy.UDP: 88}, "pop3": {policy.TCP: 110}, "sunrpc": {policy.TCP: 111, policy.UDP: 111},
	"ntp": {policy.UDP: 123}, "netbios-ns": {policy.UDP: 137}, "netbios-dgm": {policy.UDP: 138}, "netbios-ssn": {policy.TCP: 139},
	"imap2": {policy.TCP: 143}, "imap": {policy.TCP: 143}, "snmp": {policy.TCP: 161, policy.UDP: 161}, "ldap": {policy.TCP: 389, policy.UDP: 389},
	"https": {policy.TCP: 443, policy.UDP: 443}, "microsoft-ds": {policy.TCP: 445, policy.UDP: 445}, "submissions": {policy.TCP: 465},
	"isakmp": {policy.UDP: 500}, "syslog": {policy.UDP: 514}, "printer": {policy.TCP: 515}, "dhcpv6-client": {policy.UDP: 546},
	"dhcpv6-server": {policy.UDP: 547}, "rtsp": {policy.TCP: 554, policy.UDP: 554}, "submission": {policy.TCP: 587}, "ipp": {policy.TCP: 631, policy.UDP: 631},
	"ldaps": {policy.TCP: 636, policy.UDP: 636}, "domain-s": {policy.TCP: 853, policy.UDP: 853}, "rsync": {policy.TCP: 873}, "imaps": {policy.TCP: 993}, "pop3s": {policy.TCP: 995},
	"openvpn": {policy.TCP: 1194, policy.UDP: 1194}, "nfs": {policy.TCP: 2049, policy.UDP: 2049}, "mysql": {policy.TCP: 3306}, "ipsec-nat-t": {policy.UDP: 4500},
	"ms-wbt-server": {policy.TCP: 3389}, "sip": {policy.TCP: 5060, policy.UDP: 5060}, "xmpp-client": {policy.TCP: 5222}, "mdns": {policy.UDP: 5353},
	"postgresql": {policy.TCP: 5432}, "redis": {policy.TCP: 6379}, "http-alt": {policy.TCP: 8080, policy.UDP: 8080},
}

// service finds a service by name or alias, nil where there is none.
func (n *names) service(name string) service {
	if n.services == nil {
		n.services = maps.Clone(common)
		// Without the file the common services are known all the same.
		if data, err := n.src.ReadFile("/etc/services"); err == nil {
			maps.Copy(n.services, parseServices(data))
		}
	}
	return n.services[name]
}

// ServicePort finds the port of a service by its name, in any of some protocols; without protocols, in TCP and UDP.
func ServicePort(service string, protocols []string, src Source) (port uint16, ok bool) {
	n := &names{src: src}
	var of []policy.Protocol
	for _, word := range protocols {
		if p, w := parseProtocol(word); w == nil {
			of = append(of, p)
		}
	}
	p, w := n.ports(service, of)
	return p.First, w == nil && p.First == p.Last
}

func (n *names) serviceNames() []string {
	n.service("")
	return slices.Collect(maps.Keys(n.services))
}

// parseServices reads the form of services(5). Lines of other forms and protocols are passed over, as getservent does.
func parseServices(data []byte) map[string]service {
	out := map[string]service{}
	for line := range bytes.Lines(data) {
		text, _, _ := strings.Cut(string(line), "#")
		fields := strings.Fields(text)
		if len(fields) < 2 {
			continue
		}
		number, name, _ := strings.Cut(fields[1], "/")
		port, err := strconv.ParseUint(number, 10, 16)
		protocol := policy.Protocols[name]
		if err != nil || port == 0 || !protocol.HasPorts() {
			continue
		}
		for _, s := range append(fields[2:], fields[0]) {
			if out[s] == nil {
				out[s] = service{}
			}
			// The first line of a name counts.
			if _, ok := out[s][protocol]; !ok {
				out[s][protocol] = uint16(port)
			}
		}
	}
	return out
}

// user and group give the number of an account of this machine.
func (n *names) user(name string) (uint32, *fault) {
	return n.account(&n.users, "/etc/passwd", "user", name)
}

func (n *names) group(name string) (uint32, *fault) {
	return n.account(&n.groups, "/etc/group", "group", name)
}

func (n *names) account(known *map[string]uint32, path, what, name string) (uint32, *fault) {
	if *known == nil {
		data, err := n.src.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, wrong("", "%s", fmt.Errorf("look up %s %q: %w", what, name, err))
		}
		*known = parseAccounts(data)
	}
	id, ok := (*known)[name]
	if !ok {
		return 0, unknown(func() string {
			if n.guesses.allow(len(*known)) {
				if near := nearest(name, slices.Collect(maps.Keys(*known))); near != "" {
					return fmt.Sprintf("did you mean %q?", near)
				}
			}
			return what + "s come from " + path
		}, "unknown %s %q", what, name)
	}
	return id, nil
}

// parseAccounts reads the form of passwd(5) and group(5), whose third field is the number.
func parseAccounts(data []byte) map[string]uint32 {
	out := map[string]uint32{}
	for line := range bytes.Lines(data) {
		fields := strings.SplitN(string(line), ":", 4)
		if len(fields) < 4 {
			continue
		}
		id, err := strconv.ParseUint(fields[2], 10, 32)
		if _, twice := out[fields[0]]; err == nil && !twice {
			out[fields[0]] = uint32(id)
		}
	}
	return out
}
