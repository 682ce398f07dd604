package nflog

import "time"

// interfaces remembers the names of interfaces by index. It serves one goroutine.
type interfaces struct {
	lookup func(index uint32) (string, error) // an error: there is no such interface
	names  map[uint32]interfaceName
}

type interfaceName struct {
	name  string
	asked time.Time
}

const (
	// An interface can be renamed at any time (udev does it at boot), and nobody tells; asking costs less than 1 µs.
	nameLifetime = time.Second
	// Containers come and go, and each brings a new index.
	namesKept = 1024
)

// name gives the interface's name: "" for index 0, and for an interface that is gone.
func (i *interfaces) name(index uint32, now time.Time) string {
	if index == 0 {
		return ""
	}
	if n, ok := i.names[index]; ok && now.Sub(n.asked) < nameLifetime {
		return n.name
	}
	if i.names == nil || len(i.names) >= namesKept {
		i.names = make(map[uint32]interfaceName)
	}
	name, err := i.lookup(index)
	if err != nil {
		name = "" // a name that it once had may be another's by now
	}
	i.names[index] = interfaceName{name, now}
	return name
}
