package systemd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func (b *booted) makeInstall() {
	out := b.run("make", "-C", "/srv/pfw", "install")
	b.has(out, "systemctl enable --now pfwd")
}

// makePackage is what a distribution does: files into a directory, the rest when the package is set up.
func (b *booted) makePackage() {
	if out, err := exec.Command("make", "-C", b.source, "install", "DESTDIR="+b.root).CombinedOutput(); err != nil {
		b.t.Fatalf("make install: %v\n%s", err, out)
	}
	b.has(b.run("/srv/pfw/packaging/installed"), "systemctl enable --now pfwd")
}

func (b *booted) unitIsSound() {
	if out := b.run("systemd-analyze", "verify", "--man=no", "pfwd.service", "pfw-lists.service", "pfw-lists.timer"); out != "" {
		b.t.Errorf("systemd-analyze verify: %s", out)
	}
	b.run("systemd-analyze", "security", "--no-pager", "--threshold=30", "pfwd.service")
	b.run("systemd-analyze", "security", "--no-pager", "--threshold=20", "pfw-lists.service")
	for path, want := range map[string]string{
		"/etc/pfw":               "root:pfw 2770",
		"/etc/pfw/firewall.d":    "root:pfw 2770",
		"/etc/pfw/lists":         "root:pfw 2770",
		"/etc/pfw/firewall.toml": "root:pfw 660",
		"/var/lib/pfw":           "pfw:pfw 750",
		"/var/lib/pfw/lists":     "pfw:pfw 750",
		"/var/log/pfw":           "pfw:pfw 750",
	} {
		if got := b.run("stat", "--format=%U:%G %a", path); got != want {
			b.t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	b.run("pfw", "check")
}

func (b *booted) start() {
	b.run("systemctl", "enable", "--now", "pfwd")
	b.isActive()
	b.has(b.run("systemctl", "status", "pfwd"), b.property("StatusText"))
	if b.property("StatusText") == "" {
		b.t.Error("systemctl status says nothing about what is in force")
	}
	b.has(b.ruleset(), "chain")
	b.run("pfw", "status")
	b.isQuiet()
}

func (b *booted) leastPrivilege() {
	status := b.run("cat", "/proc/"+b.property("MainPID")+"/status")
	fields := map[string]string{}
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		fields[key] = strings.Join(strings.Fields(value), " ")
	}
	uid, gid := b.run("id", "-u", "pfw"), b.run("id", "-g", "pfw")
	// CAP_DAC_READ_SEARCH is bit 2, CAP_NET_ADMIN 12, CAP_SYS_PTRACE 19; see linux/capability.h.
	const capabilities = "0000000000081004"
	for key, want := range map[string]string{
		"Uid":        strings.Join([]string{uid, uid, uid, uid}, " "),
		"Gid":        strings.Join([]string{gid, gid, gid, gid}, " "),
		"Groups":     gid,
		"CapEff":     capabilities,
		"CapPrm":     capabilities,
		"CapBnd":     capabilities,
		"NoNewPrivs": "1",
		"Seccomp":    "2",
	} {
		// systemd before 254 sets no supplementary groups, later versions repeat the main one.
		if got := fields[key]; got != want && (key != "Groups" || got != "") {
			b.t.Errorf("%s of pfwd is %q, want %q", key, got, want)
		}
	}
}

func (b *booted) whoMayAsk() {
	b.run("setpriv", "--reuid=nobody", "--regid=pfw", "--clear-groups", "pfw", "status")
	b.fail("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "pfw", "status")
}

func (b *booted) blockedPacket() {
	b.listen("22")
	b.listen("8080")
	if err := b.reach("22"); err != nil {
		b.t.Errorf("ssh from outside: %v", err)
	}
	if err := b.knock("8080"); !timedOut(err) {
		b.t.Errorf("connection to port 8080: %v, want no answer", err)
	}
	entry := b.journalEntry("PFW_RULE=default", "PFW_DEST_PORT=8080")
	for field, want := range map[string]string{
		"PFW_ACTION":    "block",
		"PFW_SRC_IP":    remoteIP,
		"PFW_DEST_IP":   localIP,
		"PFW_PROTO":     "TCP",
		"PFW_IN_IFACE":  "eth0",
		"_SYSTEMD_UNIT": "pfwd.service",
	} {
		if got := entry[field]; got != want {
			b.t.Errorf("%s in the journal is %v, want %s", field, got, want)
		}
	}
	if message, _ := entry["MESSAGE"].(string); !strings.HasPrefix(message, "BLOCKED in tcp "+remoteIP+":") {
		b.t.Errorf("the journal says %q", message)
	}
}

const extraRule = `
[[rule]]
name      = "extra"
action    = "allow"
direction = "in"
protocol  = "tcp"
port      = 8080
`

func (b *booted) reload() {
	b.listen("8080")
	b.write("etc/pfw/firewall.toml", b.shipped()+extraRule)
	b.run("systemctl", "reload", "pfwd")
	if err := b.reach("8080"); err != nil {
		b.t.Errorf("after the reload that allows it: %v", err)
	}
}

func (b *booted) badReload() {
	b.listen("8080")
	before, since := b.generation(), b.cursor()
	b.write("etc/pfw/firewall.toml", b.shipped()+strings.Replace(extraRule, "allow", "alow", 1))
	b.fail("systemctl", "reload", "pfwd")
	b.isActive()
	if after := b.generation(); after != before {
		b.t.Errorf("generation %v after a refused reload, %v before", after, before)
	}
	if err := b.reach("8080"); err != nil {
		b.t.Errorf("what was allowed before the bad file: %v", err)
	}
	line := strings.Count(b.shipped(), "\n") + 1 + strings.Count(extraRule[:strings.Index(extraRule, "allow")], "\n")
	b.said(fmt.Sprintf("firewall.toml:%d:13:", line), "--priority=err", "--boot")
	said := b.said(`did you mean "allow"?`, "--after-cursor="+since)
	if n := strings.Count(said, "^"); n != 1 {
		b.t.Errorf("the journal has the error %d times:\n%s", n, said)
	}
	b.has(b.run("systemctl", "status", "pfwd"), "firewall.toml:")
	b.write("etc/pfw/firewall.toml", b.shipped())
	b.run("systemctl", "reload", "pfwd")
}

// What a member of group pfw does, and the sandbox must let pfwd do for them.
func (b *booted) trialAndPanic() {
	asMember := func(verb string, args ...string) {
		b.t.Helper()
		b.run("setpriv", append([]string{"--reuid=nobody", "--regid=pfw", "--clear-groups", "pfw", verb}, args...)...)
	}
	b.listen("8080")
	b.write("usr/local/share/new.toml", b.shipped()+extraRule)
	asMember("try", "/usr/local/share/new.toml", "--for", "10m")
	b.fail("systemctl", "reload", "pfwd")
	b.run("systemctl", "restart", "pfwd")
	b.isActive()
	b.has(b.property("StatusText"), "on trial until ")
	if err := b.reach("8080"); err != nil {
		b.t.Errorf("what is tried, after a restart: %v", err)
	}
	asMember("confirm")
	b.has(b.run("cat", "/etc/pfw/firewall.toml"), `"extra"`)
	for _, path := range []string{"/etc/pfw/firewall.toml", "/etc/pfw/firewall.toml~"} {
		if got := b.run("stat", "--format=%G %a", path); got != "pfw 660" {
			b.t.Errorf("%s is %s, want pfw 660", path, got)
		}
	}
	asMember("panic")
	b.run("systemctl", "restart", "pfwd")
	b.has(b.property("StatusText"), "PANIC: ")
	if err := b.knock("8080"); err == nil {
		b.t.Error("port 8080 is open in a panic")
	}
	asMember("panic", "off")
	if err := b.reach("8080"); err != nil {
		b.t.Errorf("after the panic: %v", err)
	}
	b.run("rm", "/etc/pfw/firewall.toml~")
	b.write("etc/pfw/firewall.toml", b.shipped())
	b.run("systemctl", "reload", "pfwd")
}

func (b *booted) restart() {
	leak, conn := b.flood(), b.session()
	for range 3 {
		b.run("systemctl", "restart", "pfwd")
		b.isActive()
	}
	leak()
	conn()
}

func (b *booted) crash() {
	leak, conn := b.flood(), b.session()
	pid := b.property("MainPID")
	b.signal("KILL", pid)
	b.await(10*time.Second, "systemd to start pfwd again", func() bool {
		now := b.property("MainPID")
		return now != pid && now != "0" && b.property("ActiveState") == "active"
	})
	b.ruleset()
	leak()
	conn()
	if got := b.property("NRestarts"); got != "1" {
		b.t.Errorf("%s restarts after one crash", got)
	}
}

// A pfwd that hangs is replaced; one that works is left alone.
func (b *booted) watchdog() {
	const limit = 4 * time.Second
	dropIn := "etc/systemd/system/pfwd.service.d/watchdog.conf"
	b.write(dropIn, "[Service]\nWatchdogSec=4\n")
	b.run("systemctl", "daemon-reload")
	b.run("systemctl", "restart", "pfwd")
	pid := b.property("MainPID")
	time.Sleep(2 * limit)
	if now := b.property("MainPID"); now != pid {
		b.t.Errorf("systemd replaced a pfwd that worked")
	}
	pid = b.property("MainPID")
	b.signal("STOP", pid)
	b.await(5*limit, "systemd to replace a pfwd that hangs", func() bool {
		now := b.property("MainPID")
		return now != pid && now != "0" && b.property("ActiveState") == "active"
	})
	b.run("rm", "/"+dropIn)
	b.run("systemctl", "daemon-reload")
	b.run("systemctl", "restart", "pfwd")
}

func (b *booted) stop() {
	b.listen("8080")
	if err := b.knock("8080"); err == nil {
		b.t.Error("port 8080 is open while pfwd runs")
	}
	since := b.cursor()
	b.run("systemctl", "stop", "pfwd")
	if out, err := b.local.Command("nft", "list", "table", "inet", "pfw").CombinedOutput(); err == nil {
		b.t.Errorf("the table is still there after a stop:\n%s", out)
	}
	if err := b.reach("8080"); err != nil {
		b.t.Errorf("with the firewall off: %v", err)
	}
	b.said("firewall is off", "--after-cursor="+since)
	if got := b.property("Result"); got != "success" {
		b.t.Errorf("result of a stopped pfwd: %s", got)
	}
	b.run("systemctl", "start", "pfwd")
}

// Somebody is logged in when pfwd starts with rules that do not let them in.
func (b *booted) lockedOut() {
	const address = localIP + ":2222"
	b.run("systemctl", "stop", "pfwd")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		b.t.Fatal(err)
	}
	program := filepath.Join(b.root, "usr/local/bin/sshd")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		b.t.Fatal(err)
	}
	b.run("systemd-run", "--unit=test-sshd", "--setenv="+envSSHD+"="+address, "/usr/local/bin/sshd")
	session := b.logIn(address)
	b.run("systemctl", "start", "pfwd")
	b.said("could not log in again from="+remoteIP, "--priority=warning", "--boot")
	b.has(b.run("pfw", "status"), remoteIP)
	if c := b.connection("test-sshd.service"); !strings.HasSuffix(c.Exe, "/sshd") {
		b.t.Errorf("pfw connections says %+v", c)
	}
	if err := session.Close(); err != nil {
		b.t.Error(err)
	}
	b.run("systemctl", "stop", "test-sshd")
	b.run("systemctl", "restart", "pfwd")
}

func (b *booted) installAgain() {
	b.write("etc/pfw/firewall.toml", b.shipped()+extraRule)
	if out, err := exec.Command("make", "-C", b.source, "install", "DESTDIR="+b.root).CombinedOutput(); err != nil {
		b.t.Fatalf("make install: %v\n%s", err, out)
	}
	b.has(b.run("/srv/pfw/packaging/installed"), "systemctl restart pfwd")
	b.has(b.run("cat", "/etc/pfw/firewall.toml"), `"extra"`)
	b.run("systemctl", "restart", "pfwd")
}

func (b *booted) reboot() {
	b.shutDown()
	// The kernel forgets at a real reboot; a container's shutdown shows that pfwd left it to the kernel.
	b.ruleset()
	b.powerOn()
	b.isActive()
	b.isQuiet()
	b.said("the policy stays in force", "--boot=-1")
	// First the rules, then the network.
	monotonic := "ActiveEnterTimestampMonotonic"
	firewall, network := b.property(monotonic), b.run("systemctl", "show", "--value", "--property="+monotonic, "network-pre.target")
	if network == "0" || len(firewall) > len(network) || len(firewall) == len(network) && firewall > network {
		b.t.Errorf("pfwd was ready at %s µs, network-pre.target reached at %s µs", firewall, network)
	}
	b.listen("8080")
	if err := b.reach("8080"); err != nil {
		b.t.Errorf("what the installed file allows, after a boot: %v", err)
	}
}

func (b *booted) badBoot() {
	b.write("etc/pfw/firewall.toml", "[default]\ninbound = \"alow\"\n")
	b.shutDown()
	b.powerOn()
	b.isActive()
	b.listen("8080")
	b.listen("8081")
	if err := b.reach("8080"); err != nil {
		b.t.Errorf("what the last good policy allows: %v", err)
	}
	if err := b.knock("8081"); err == nil {
		b.t.Error("what the last good policy blocks is open")
	}
	b.said("firewall.toml:2:", "--priority=err", "--boot")
	b.has(b.run("systemctl", "status", "pfwd"), "last good")
	b.has(b.run("pfw", "status"), "firewall.toml:2:")
}

func (b *booted) uninstall() {
	if _, err := exec.LookPath(filepath.Join(b.root, "usr/bin/make")); err != nil {
		return // a machine that got a package has no use for make
	}
	b.run("make", "-C", "/srv/pfw", "uninstall")
	if out, err := b.local.Command("nft", "list", "table", "inet", "pfw").CombinedOutput(); err == nil {
		b.t.Errorf("the table is still there:\n%s", out)
	}
	left := b.run("sh", "-c", "ls -d /usr/bin/pfw* /usr/lib/*.d/pfw.conf /usr/lib/systemd/system/pfw* /usr/share/pfw "+
		"/usr/share/man/*/*pfw* /usr/share/bash-completion/completions/pfw 2>/dev/null || true")
	if left != "" {
		b.t.Errorf("left behind: %s", left)
	}
	b.run("test", "-e", "/etc/pfw/firewall.toml")
}
