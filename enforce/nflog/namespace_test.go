package nflog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	namespaceVariable = "PFW_NFLOG_TEST_OUTSIDE" // the network namespace that the tests were started in
	testUID, testGID  = 4242, 4243               // no root, as the daemon is none
)

// inOwnNetwork runs the test once more, in a process of its own in new user and network namespaces that has CAP_NET_ADMIN and
// CAP_NET_RAW there, and is nobody special otherwise. It returns true in that process; where it returns false, all is done.
func inOwnNetwork(t *testing.T) bool {
	t.Helper()
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if outside, inside := os.LookupEnv(namespaceVariable); inside {
		if outside == here {
			t.Fatal("this is the network namespace that the tests were started in: nothing is done here")
		}
		run(t, "", "ip", "link", "set", "lo", "up")
		return true
	}
	again := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	again.Env = append(os.Environ(), namespaceVariable+"="+here)
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: testUID, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: testGID, HostID: os.Getgid(), Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW},
	}
	out, err := again.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("in its own namespaces: %v\n%s", err, out)
	}
	return false
}

// run runs a program, which must succeed.
func run(t *testing.T, input, program string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Stdin = strings.NewReader(input)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(c.Args, " "), err, out, input)
	}
}

// nft loads a script.
func nft(t *testing.T, script string) {
	t.Helper()
	run(t, script, "nft", "-f", "-")
}

// wire is the far end of a cable whose near end is an interface of this host.
type wire struct {
	fd, index int
	near      net.HardwareAddr
}

// plug makes the cable far–near and sets both ends up.
func plug(t *testing.T, far, near string) *wire {
	t.Helper()
	run(t, "", "ip", "link", "add", far, "type", "veth", "peer", "name", near)
	run(t, "", "ip", "link", "set", far, "up")
	run(t, "", "ip", "link", "set", near, "up")
	from, to := running(t, far), running(t, near)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	})
	return &wire{fd, from.Index, to.HardwareAddr}
}

// running waits until the kernel has noticed that both ends are up: before, it drops what is sent.
func running(t *testing.T, name string) (i *net.Interface) {
	t.Helper()
	eventually(t, name+" is running", func() (ok bool) {
		var err error
		if i, err = net.InterfaceByName(name); err != nil {
			t.Fatal(err)
		}
		return i.Flags&net.FlagRunning != 0
	})
	return i
}

// send puts an IP packet on the wire.
func (w *wire) send(t *testing.T, packet []byte) {
	t.Helper()
	etherType := []byte{0x86, 0xdd}
	if packet[0]>>4 == 4 {
		etherType = []byte{0x08, 0x00}
		checksum4(packet)
	}
	frame := append(append(append(append([]byte{}, w.near...), 2, 0, 0, 0, 0, 1), etherType...), packet...)
	if err := unix.Sendto(w.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.index}); err != nil {
		t.Fatal(err)
	}
}

// checksum4 sets the header checksum, without which the kernel drops the packet unseen (RFC 1071).
func checksum4(b []byte) {
	b[10], b[11] = 0, 0
	var sum uint32
	for i := 0; i < int(b[0]&15)*4; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
}

// datagrams sends n small UDP datagrams to a port of this host that nobody listens on.
func datagrams(t *testing.T, port, n int) {
	t.Helper()
	// Not connected: the kernel would give the port's refusal to a later send.
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range n {
		_, err := c.WriteToUDP([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			t.Error(err)
			return
		}
	}
}
