package enforce

import (
	"slices"
	"testing"

	"pfw/e2e/hosts"
)

func TestForeignTables(t *testing.T) {
	hosts.Need(t, "nft")
	for _, c := range []struct {
		what, script string
		want         []string
	}{
		{"nothing", "", nil},
		{"pfw itself", Compile(build(t, standard, logging), Options{Now: now}).String(), nil},
		{"a table that allows", "table ip a {\n chain c {\n type filter hook input priority 0;\n tcp dport 22 accept\n }\n}", nil},
		{"a policy that drops", "table inet a {\n chain c {\n type filter hook input priority 0; policy drop;\n }\n}",
			[]string{"table inet a refuses packets too (chain c): what pfw allows may still not pass"}},
		{"a rule that rejects in a chain of its own", "table ip6 a {\n chain d {\n reject\n }\n chain c {\n type filter hook forward priority 0;\n jump d\n }\n}",
			[]string{"table ip6 a refuses packets too (chain c): what pfw allows may still not pass"}},
		{"drops at no hook", "table ip a {\n chain d {\n drop\n }\n}", nil},
		{"dnat", "table ip nat {\n chain pre {\n type nat hook prerouting priority -100;\n tcp dport 80 dnat to 10.0.0.2\n }\n chain post {\n type nat hook postrouting priority 100;\n masquerade\n }\n}",
			[]string{"table ip nat sends packets that come in on to other addresses (chain pre): what leaves this machine again is forwarded and goes around rules for in"}},
		{"source nat", "table ip nat {\n chain post {\n type nat hook postrouting priority 100;\n snat to 192.0.2.1\n }\n}", nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := hosts.New(t, "host")
			if c.script != "" {
				nft(t, h, c.script)
			}
			var found []Finding
			if err := h.Do(func() (err error) { found, err = Foreign(t.Context()); return err }); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				got = append(got, f.Text)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
