package hosts

import (
	"os/exec"
	"syscall"
)

// Cmd is a program to run inside a host. It is used as exec.Cmd is; it sees the
// mounts of the test, so cgroups are where they were. It is killed when the host
// is closed or the test binary dies, and has a process group of its own, so that
// Ctrl-C is for the test binary alone. Set fields of SysProcAttr, such as
// Credential, rather than the whole.
type Cmd struct {
	*exec.Cmd
	host *Host
}

// Command prepares a program inside the host.
func (h *Host) Command(name string, args ...string) *Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return &Cmd{Cmd: cmd, host: h}
}

// Start starts the program on a thread that is inside the host.
func (c *Cmd) Start() error {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	if err := c.host.Do(c.Cmd.Start); err != nil {
		return err
	}
	c.host.running = append(c.host.running, c.Process)
	return nil
}

// Run starts the program and waits for it.
func (c *Cmd) Run() error { return c.host.Do(c.Cmd.Run) }

// Output runs the program and returns what it wrote to standard output.
func (c *Cmd) Output() (out []byte, err error) {
	err = c.host.Do(func() error { out, err = c.Cmd.Output(); return err })
	return out, err
}

// CombinedOutput runs the program and returns what it wrote to standard output
// and standard error.
func (c *Cmd) CombinedOutput() (out []byte, err error) {
	err = c.host.Do(func() error { out, err = c.Cmd.CombinedOutput(); return err })
	return out, err
}
