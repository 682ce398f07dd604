package hosts

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Host is one test host: a network namespace with loopback up and nothing else.
// Join gives it interfaces. Its methods may be called from any goroutine.
type Host struct {
	Name string

	ns   netns.NsHandle
	link *netlink.Handle

	mu      sync.Mutex
	running []*os.Process // started by Command; Close ends what is left
}

// Create makes a host. It panics where Isolated (or Main) was not called before,
// as the machine's own network namespace is no place for tests. The caller
// closes the host; the kernel then removes what is in it.
func Create(name string) (*Host, error) {
	if !isolated {
		panic("hosts: not isolated: call hosts.Main from TestMain, or hosts.Isolated")
	}
	h := &Host{Name: name}
	err := onThread(func() error {
		var err error
		if h.ns, err = netns.New(); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		if h.link, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return errors.Join(fmt.Errorf("open netlink: %w", err), h.ns.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("create host %s: %w", name, err)
	}
	if err := h.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("create host %s: %w", name, err), h.Close())
	}
	return h, nil
}

// prepare brings loopback up and takes the waiting out of IPv6: without
// duplicate address detection an address can be used at once.
func (h *Host) prepare() error {
	lo, err := h.link.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := h.link.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring up loopback: %w", err)
	}
	for _, setting := range [][2]string{
		{"net/ipv6/conf/default/disable_ipv6", "0"},
		{"net/ipv6/conf/default/accept_dad", "0"},
		{"net/ipv6/conf/default/router_solicitations", "0"},
	} {
		if err := h.Sysctl(setting[0], setting[1]); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the programs that Command started and that still run, and gives the
// namespace back. Whoever holds a socket made in it keeps it alive.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, p := range h.running {
		if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, fmt.Errorf("kill process %d: %w", p.Pid, err))
		}
	}
	h.running = nil
	h.link.Close()
	if h.ns.IsOpen() {
		errs = append(errs, h.ns.Close())
	}
	return errors.Join(errs...)
}

// Path names the host's network namespace for programs, as nsenter's --net.
func (h *Host) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(h.ns)) }

// Do runs f inside the host and returns its error: sockets that f opens and
// programs that it starts belong to the host, as does /proc/thread-self/net.
// Goroutines that f starts do not. f may call t.Fatal.
func (h *Host) Do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(h.ns); err != nil {
			return fmt.Errorf("enter host %s: %w", h.Name, err)
		}
		return f()
	})
}

// onThread runs f on a thread of its own and puts the thread's network namespace
// back afterwards. A thread that cannot be put back would carry its namespace to
// any goroutine: better no process than that.
func onThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := netns.Get()
	if err != nil {
		return fmt.Errorf("open this thread's network namespace: %w", err)
	}
	defer func() {
		if err := errors.Join(netns.Set(before), before.Close()); err != nil {
			panic(fmt.Sprintf("hosts: thread is left in another network namespace: %v", err))
		}
	}()
	return f()
}

// Sysctl sets a value under /proc/sys for this host, such as
// "net/ipv4/ip_forward".
func (h *Host) Sysctl(name, value string) error {
	return h.Do(func() error {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
			return fmt.Errorf("set sysctl: %w", err)
		}
		return nil
	})
}

// Forward makes the host a router for IPv4 and IPv6.
func (h *Host) Forward() error {
	return errors.Join(h.Sysctl("net/ipv4/ip_forward", "1"), h.Sysctl("net/ipv6/conf/all/forwarding", "1"))
}
