package systemd_test

// A member of group pfw edits rules and bans: pfwd does it for them, and its sandbox must let it.
func (b *booted) editsAndBans() {
	const file = "/etc/pfw/firewall.toml"
	asMember := func(args ...string) {
		b.t.Helper()
		b.run("setpriv", append([]string{"--reuid=nobody", "--regid=pfw", "--clear-groups", "pfw"}, args...)...)
	}
	b.listen("22")
	b.listen("8080")
	before := b.run("cat", file)
	asMember("allow", "--in", "--protocol", "tcp", "--port", "8080", "--name", "by-hand")
	if err := b.reach("8080"); err != nil {
		b.t.Errorf("after pfw allow: %v", err)
	}
	for _, path := range []string{file, file + "~"} {
		if got := b.run("stat", "--format=%G %a", path); got != "pfw 660" {
			b.t.Errorf("%s is %s, want pfw 660", path, got)
		}
	}
	asMember("delete", "by-hand")
	if err := b.knock("8080"); !timedOut(err) {
		b.t.Errorf("after pfw delete: %v, want no answer", err)
	}
	if after := b.run("cat", file); after != before {
		b.t.Errorf("allow and delete left the file as\n%s\nit was\n%s", after, before)
	}

	asMember("ban", remoteIP, "--for", "1h", "--reason", "rude")
	b.run("systemctl", "restart", "pfwd")
	if err := b.knock("22"); !timedOut(err) {
		b.t.Errorf("of a banned remote: %v, want no answer", err)
	}
	asMember("unban", remoteIP)
	if err := b.reach("22"); err != nil {
		b.t.Errorf("after pfw unban: %v", err)
	}
	b.run("rm", file+"~")
}
