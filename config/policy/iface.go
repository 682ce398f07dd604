package policy

import (
	"fmt"
	"strings"
)

// maxInterfaceName is IFNAMSIZ less the final zero byte (include/uapi/linux/if.h).
const maxInterfaceName = 15

// Interface matches network interfaces by name or, where it ends in '*', by the beginning of their name. It comes from
// ParseInterface only.
type Interface struct {
	name   string
	prefix bool
}

// ParseInterface reads a name or a prefix with '*'.
func ParseInterface(s string) (Interface, error) {
	name, prefix := strings.CutSuffix(s, "*")
	switch {
	case name == "" && prefix:
		return Interface{}, fmt.Errorf("interface %q: a '*' alone is every interface; leave the key out instead", s)
	case name == "":
		return Interface{}, fmt.Errorf("interface %q is empty", s)
	case strings.Contains(name, "*"):
		return Interface{}, fmt.Errorf("interface %q: a '*' stands at the end only", s)
	case len(name) > maxInterfaceName:
		return Interface{}, fmt.Errorf("interface %q: a name has at most %d characters", s, maxInterfaceName)
	case name == "." || name == ".." || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' || r == ':' || r == '"' || r == '\\' }):
		return Interface{}, fmt.Errorf("interface %q: no interface can have this name", s)
	}
	return Interface{name, prefix}, nil
}

// Name gives the name, or what it begins with where prefix is true.
func (i Interface) Name() (name string, prefix bool) { return i.name, i.prefix }

// Matches tells whether an interface of that name is meant.
func (i Interface) Matches(name string) bool {
	if i.prefix {
		return strings.HasPrefix(name, i.name)
	}
	return name == i.name
}

// String spells it as firewall.toml does.
func (i Interface) String() string {
	if i.prefix {
		return i.name + "*"
	}
	return i.name
}
