package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ufwFiles is what ufw wants to find, here in a directory of its own instead of the machine's root.
var ufwFiles = []string{"/etc/ufw", "/lib/ufw", "/usr/share/ufw", "/etc/default/ufw"}

// ufw loads the rules that its commands would have kept for it. They are written by hand, as it would take hours to give
// ten thousand rules to its commands; so they lack the logging that it puts before them by default, which would cost it more.
var ufw = peer{
	name:  "ufw",
	needs: []string{"ufw", "iptables"},
	absent: func() string {
		for _, path := range append(ufwFiles, "/etc/ufw/user.rules") {
			f, err := os.Open(path)
			if err != nil {
				return fmt.Sprintf("its files cannot be read: %v", err)
			}
			f.Close()
		}
		return ""
	},
	enforce: func(s *stage, p *plan) (enforced, cost, error) {
		root := filepath.Join(s.dir, "ufw")
		for _, from := range ufwFiles {
			to := root + filepath.Dir(from)
			if err := os.MkdirAll(to, 0o755); err != nil {
				return nil, cost{}, err
			}
			if _, err := s.command("", "cp", "-a", from, to); err != nil {
				return nil, cost{}, err
			}
		}
		conf := filepath.Join(root, "etc/ufw/ufw.conf")
		if err := os.WriteFile(conf, []byte("ENABLED=yes\nLOGLEVEL=off\n"), 0o644); err != nil {
			return nil, cost{}, err
		}
		x := ufwRules{s, root}
		c, err := x.put("start", p)
		return x, c, err
	},
}

// ufwRules is ufw in force.
type ufwRules struct {
	stage *stage
	root  string
}

func (x ufwRules) put(verb string, p *plan) (cost, error) {
	path := filepath.Join(x.root, "etc/ufw/user.rules")
	if err := os.WriteFile(path, []byte(ufwScript(p)), 0o640); err != nil {
		return cost{}, err
	}
	c, err := x.stage.command("", filepath.Join(x.root, "lib/ufw/ufw-init"), "--rootdir", x.root, "--datadir", x.root, verb)
	c.peak = 0 // it is a shell script
	return c, err
}

func (x ufwRules) replace(p *plan) (cost, error)                  { return x.put("restart", p) }
func (x ufwRules) change(next *plan, _, _ []string) (cost, error) { return x.put("restart", next) }
func (ufwRules) pid() int                                         { return 0 }
func (ufwRules) close() error                                     { return nil }

// ufwScript is ufw's own file of rules.
func ufwScript(p *plan) string {
	var b strings.Builder
	b.WriteString("*filter\n")
	for _, chain := range []string{"input", "output", "forward", "limit", "limit-accept"} {
		fmt.Fprintf(&b, ":ufw-user-%s - [0:0]\n", chain)
	}
	b.WriteString("### RULES ###\n")
	for _, r := range p.rules {
		port, from := "any", "0.0.0.0/0"
		if r.first != 0 {
			port = r.ports(":")
		}
		if r.remote.IsValid() {
			from = bare(r.remote)
		}
		fmt.Fprintf(&b, "\n### tuple ### %s %s %s 0.0.0.0/0 any %s %s\n%s", map[bool]string{false: "deny", true: "allow"}[r.allow],
			map[bool]string{false: "any", true: r.protocol}[r.protocol != ""], port, from, map[bool]string{false: "in", true: "out"}[r.out],
			r.iptables("ufw-user-input", "ufw-user-output"))
	}
	b.WriteString("\n### END RULES ###\n-A ufw-user-limit -j REJECT\n-A ufw-user-limit-accept -j ACCEPT\nCOMMIT\n")
	return b.String()
}
