package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pfw/e2e/hosts"
)

// firewalld runs on a message bus of its own. It puts what denies before what allows and what is a port before what is more
// than that, so its rules stand in another order than the plan's; to the packets that are measured it makes no difference.
func firewalld(patient bool) peer {
	p := peer{
		name:     "firewalld",
		needs:    []string{"firewalld", "firewall-cmd", "dbus-daemon"},
		maxRules: 1_000,
		maxList:  10_000,
		enforce: func(s *stage, p *plan) (enforced, cost, error) {
			x := &firewalldRules{stage: s}
			c, err := x.start(p)
			if err != nil {
				return nil, c, errors.Join(err, x.close())
			}
			return x, c, nil
		},
	}
	if patient {
		p.maxRules, p.maxList = 0, 100_000
	}
	return p
}

// firewalldRules is a running firewalld.
type firewalldRules struct {
	stage       *stage
	bus, daemon *hosts.Cmd
}

func (x *firewalldRules) start(p *plan) (c cost, err error) {
	if err := x.write(p); err != nil {
		return c, err
	}
	socket := filepath.Join(x.stage.dir, "bus")
	conf, err := x.stage.write("bus.conf", fmt.Sprintf(`<busconfig><type>session</type><listen>unix:path=%s</listen><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`, socket))
	if err != nil {
		return c, err
	}
	x.bus = x.stage.wall.Command("dbus-daemon", "--config-file="+conf, "--nofork", "--nopidfile")
	if err := x.bus.Start(); err != nil {
		return c, fmt.Errorf("start message bus: %w", err)
	}
	if err := await(func() (bool, error) { _, err := os.Stat(socket); return err == nil, nil }); err != nil {
		return c, fmt.Errorf("message bus: %w", err)
	}
	begin := time.Now()
	x.daemon = x.stage.wall.Command("firewalld", "--nofork", "--nopid", "--system-config", filepath.Join(x.stage.dir, "firewalld"),
		"--log-file", filepath.Join(x.stage.dir, "firewalld.log"), "--log-target", "file")
	x.daemon.Env = x.environment()
	if err := x.daemon.Start(); err != nil {
		return c, fmt.Errorf("start firewalld: %w", err)
	}
	err = await(func() (bool, error) {
		_, err := x.client("--state")
		if hosts.ExitCode(err) == notRunning {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(x.stage.dir, "firewalld.log"))
		return c, fmt.Errorf("firewalld: %w: %.500s", err, log)
	}
	c.wall = time.Since(begin)
	return x.took(c, 0)
}

// took fills in what firewalld itself used since before.
func (x *firewalldRules) took(c cost, before time.Duration) (_ cost, err error) {
	if c.cpu, err = processTime(x.pid()); err == nil {
		c.cpu -= before
		c.peak, err = memory(x.pid(), "VmHWM")
	}
	return c, err
}

// notRunning is firewall-cmd's exit status for a firewalld that is not there, or not yet.
const notRunning = 252

// await waits for what takes a while, minutes at most.
func await(ready func() (bool, error)) error {
	const limit = 3 * time.Minute
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s", limit)
		}
	}
}

func (x *firewalldRules) environment() []string {
	return append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+filepath.Join(x.stage.dir, "bus"))
}

func (x *firewalldRules) client(args ...string) (time.Duration, error) {
	cmd := x.stage.wall.Command("firewall-cmd", args...)
	cmd.Env = x.environment()
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("firewall-cmd: %w: %.500s", err, out)
	}
	return time.Since(begin), nil
}

func (x *firewalldRules) replace(p *plan) (c cost, err error) {
	if err := x.write(p); err != nil {
		return c, err
	}
	before, err := processTime(x.pid())
	if err != nil {
		return c, err
	}
	if c.wall, err = x.client("--reload"); err != nil {
		return c, err
	}
	return x.took(c, before)
}

func (x *firewalldRules) change(_ *plan, added, removed []string) (c cost, err error) {
	before, err := processTime(x.pid())
	if err != nil {
		return c, err
	}
	for _, part := range []struct {
		verb    string
		entries []string
	}{{"remove", removed}, {"add", added}} {
		path, err := x.stage.write(part.verb, strings.Join(part.entries, "\n")+"\n")
		if err != nil {
			return c, err
		}
		wall, err := x.client("--ipset=list", "--"+part.verb+"-entries-from-file="+path)
		if err != nil {
			return c, err
		}
		c.wall += wall
	}
	return x.took(c, before)
}

func (x *firewalldRules) pid() int { return x.daemon.Process.Pid }

// close ends both at once: what firewalld would tidy up goes with the host.
func (x *firewalldRules) close() error {
	var errs []error
	for _, cmd := range []*hosts.Cmd{x.daemon, x.bus} {
		if cmd != nil && cmd.Process != nil {
			errs = append(errs, cmd.Process.Kill())
			_ = cmd.Wait() // says that it was killed
		}
	}
	return errors.Join(errs...)
}

// write makes firewalld's files.
func (x *firewalldRules) write(p *plan) error {
	var in, out strings.Builder
	in.WriteString("<zone target=\"DROP\">\n")
	out.WriteString("<policy target=\"CONTINUE\" priority=\"-1\"><ingress-zone name=\"HOST\"/><egress-zone name=\"ANY\"/>\n")
	for _, r := range p.rules {
		b, end := &in, "source"
		if r.out {
			b, end = &out, "destination"
		}
		port := ""
		if r.first != 0 {
			port = fmt.Sprintf("<port port=%q protocol=%q/>", r.ports("-"), r.protocol)
		}
		if r.allow && !r.remote.IsValid() && r.first != servicePort {
			fmt.Fprintln(b, port)
			continue
		}
		family, address := "", ""
		if r.remote.IsValid() {
			family, address = ` family="ipv4"`, fmt.Sprintf("<%s address=%q/>", end, bare(r.remote))
		}
		fmt.Fprintf(b, "<rule%s>%s%s<%s/></rule>\n", family, address, port, map[bool]string{false: "drop", true: "accept"}[r.allow])
	}
	files := map[string]string{
		"firewalld.conf":         "DefaultZone=bench\nFirewallBackend=nftables\n",
		"policies/bench-out.xml": out.String() + "</policy>\n",
		"zones/bench.xml":        in.String() + "</zone>\n",
	}
	if p.listed {
		files["zones/unwanted.xml"] = "<zone target=\"DROP\"><source ipset=\"list\"/></zone>\n"
		files["ipsets/list.xml"] = "<ipset type=\"hash:net\"><option name=\"maxelem\" value=\"2000000\"/>\n" + p.lines("<entry>%s</entry>\n") + "</ipset>\n"
	}
	for name, text := range files {
		if _, err := x.stage.write(filepath.Join("firewalld", name), text); err != nil {
			return err
		}
	}
	return nil
}
