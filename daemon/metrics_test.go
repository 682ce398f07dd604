package daemon

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"pfw/daemon/api"
	"pfw/e2e/hosts"
)

func TestMetrics(t *testing.T) {
	local, remote := hosts.Pair(t)
	d := hosts.Run(t, local, telnet+"[list.home]\nentries = \"192.168.0.0/16\"\n"+rule("web", "allow", "both", 80)+"enabled = false\n")
	if connects(t, remote, "192.0.2.10:23") {
		t.Fatal("telnet comes in")
	}
	pfw(t, d, "ban", "192.0.2.99")
	reload(t, d)
	edit(t, d, bad)
	if d.Reload() == nil {
		t.Fatal("a bad file is taken")
	}
	if _, err := d.WaitEntry(limit, func(e hosts.Entry) bool { return e.PFW.Rule == "no-telnet" }); err != nil {
		t.Fatal(err)
	}
	text, err := api.NewClient(d.Socket).Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`pfw_state{state="degraded"} 1`, `pfw_state{state="ok"} 0`, "pfw_faults 1", "pfw_policy_generation 2", "pfw_rules 1", "pfw_bans 1",
		`pfw_rule_packets_total{action="block",direction="in",rule="no-telnet"} `, `pfw_rule_bytes_total{action="block",direction="in",rule="no-telnet"} `,
		`pfw_default_packets_total{action="allow",direction="out"} `, `pfw_always_bytes_total{name="banned"} 0`, `pfw_packets_total{verdict="blocked"} `,
		`pfw_events_total{type="ban"} 1`, `pfw_events_total{type="tamper"} 0`, `pfw_events_total{type="reload"} 2`, "pfw_events_lost_packets_total 0",
		"pfw_events_suppressed_packets_total 0", "pfw_events_missed_total 0", `pfw_reloads_total{result="ok"} 1`, `pfw_reloads_total{result="refused"} 1`,
		`pfw_list_entries{list="home"} 1`, `pfw_dns_messages_total{result="malformed"} 0`, `pfw_build_info{goversion="go`, "pfw_policy_in_force_timestamp_seconds 1",
	} {
		if !strings.Contains("\n"+text, "\n"+want) {
			t.Errorf("%s is not in it", want)
		}
	}
	if strings.Contains(text, `rule="no-telnet"} 0`) || strings.Contains(text, `rule="web"`) {
		t.Error("no-telnet counts nothing, or a rule that is disabled is there")
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if t.Failed() {
		t.Log(text)
	}
}
