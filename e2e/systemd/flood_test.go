package systemd_test

import (
	"encoding/json"
	"net"
	"strconv"
	"strings"
	"time"
)

const floodedRule = `
[[rule]]
name      = "flooded"
action    = "block"
direction = "in"
protocol  = "udp"
port      = 9998
`

// A flood that nothing caps is in the file packet by packet, and in the journal in a few messages that account for all of it.
func (b *booted) floodInTheJournal() {
	b.write("etc/pfw/firewall.toml", strings.Replace(b.shipped(), "[log]\n", "[log]\nmax_rate = \"unlimited\"\n", 1)+floodedRule)
	b.run("systemctl", "reload", "pfwd")
	pfwd, journald := b.cpuTime(b.property("MainPID")), b.cpuTime(b.journald())
	const packets = 20_000
	began := time.Now()
	b.send(packets, 4000)
	took := time.Since(began)

	var messages, sum int
	b.await(30*time.Second, "all packets in the journal", func() bool {
		messages, sum = b.told("PFW_RULE=flooded")
		return sum >= packets
	})
	if sum != packets {
		b.t.Errorf("%d packets were sent, the journal accounts for %d", packets, sum)
	}
	// So many one by one and a summary in each second.
	if most := (int(took/time.Second) + 2) * 60; messages > most {
		b.t.Errorf("%d messages in the journal in %s, more than %d", messages, took, most)
	}
	b.has(b.journal("PFW_RULE=flooded"), "rule=flooded (the audit file has each)")
	// On a busy machine the kernel may lose some, which both tell in other entries.
	_, drops := b.told("PFW_RULE=flooded", "PFW_EVENT_TYPE=drop")
	if in := b.run("sh", "-c", `grep -h '"rule":"flooded"' /var/log/pfw/audit.jsonl* | grep -c '"event_type":"drop"'`); in != strconv.Itoa(drops) {
		b.t.Errorf("the journal accounts for %d packets that were dropped, the file has %s", drops, in)
	}
	b.t.Logf("%d packets in %s: %d messages; CPU of pfwd %s, of journald %s", packets, took.Round(time.Millisecond), messages,
		b.cpuTime(b.property("MainPID"))-pfwd, b.cpuTime(b.journald())-journald)
	b.write("etc/pfw/firewall.toml", b.shipped())
	b.run("systemctl", "reload", "pfwd")
}

// told is how many messages the journal has, and how many packets they account for.
func (b *booted) told(args ...string) (messages, sum int) {
	b.t.Helper()
	out := b.run("journalctl", append([]string{"--unit=pfwd", "--output=json", "--quiet"}, args...)...)
	for line := range strings.Lines(out) {
		var entry struct {
			Count string `json:"PFW_COUNT"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			b.t.Fatalf("journalctl: %v: %s", err, line)
		}
		n := 1
		if entry.Count != "" {
			var err error
			if n, err = strconv.Atoi(entry.Count); err != nil {
				b.t.Fatal(err)
			}
		}
		messages++
		sum += n
	}
	return messages, sum
}

// send sends packets to the rule that blocks them.
func (b *booted) send(packets, perSecond int) {
	b.t.Helper()
	source, err := b.remote.Dial("udp", net.JoinHostPort(localIP, "9998"), time.Second)
	if err != nil {
		b.t.Fatal(err)
	}
	began := time.Now()
	for i := range packets {
		if i%40 == 0 {
			time.Sleep(time.Duration(i)*time.Second/time.Duration(perSecond) - time.Since(began))
		}
		if _, err := source.Write([]byte("flood")); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := source.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *booted) journald() string {
	b.t.Helper()
	return b.run("systemctl", "show", "--property=MainPID", "--value", "systemd-journald")
}

// cpuTime is what a process of the machine has used.
func (b *booted) cpuTime(pid string) time.Duration {
	b.t.Helper()
	stat := b.run("cat", "/proc/"+pid+"/stat")
	fields := strings.Fields(stat[strings.LastIndex(stat, ")"):])
	var ticks int
	for _, field := range fields[12:14] { // utime and stime, proc_pid_stat(5)
		n, err := strconv.Atoi(field)
		if err != nil {
			b.t.Fatal(err)
		}
		ticks += n
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on all that Go runs on
	return time.Duration(ticks) * tick
}
