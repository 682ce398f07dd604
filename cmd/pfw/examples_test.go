package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"pfw/e2e/hosts"
)

// What an example needs to be there.
const exampleConfig = `
[list.spamhaus]
entries = ["203.0.113.0/28"]
[[rule]]
name = "web"
action = "allow"
direction = "in"
protocol = "tcp"
port = 80
[[rule]]
name = "allow-in-tcp-22"
action = "allow"
direction = "in"
protocol = "tcp"
port = 22
`

// The examples of every verb, in the order in which they stand, do what they say.
func TestExamplesRun(t *testing.T) {
	hosts.Need(t, "nft", "jq", "bash", "timeout")
	local, remote := hosts.Pair(t)
	d := hosts.Prepare(t, local, exampleConfig)
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	// So that there is an entry to explain.
	if c, err := remote.Dial("tcp", "192.0.2.10:8080", silence); err == nil {
		c.Close()
		t.Fatal("port 8080 is open")
	}
	pfw, err := hosts.Program("./cmd/pfw")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, dir := range []string{filepath.Join(filepath.Dir(d.Config), "lists"), filepath.Join(bin, ".config/fish/completions")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"pfw": `exec "` + pfw + `" "$@"`, "sudo": `exec "$@"`, "editor": `echo '# edited' >>"$1"`, "less": "cat",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer("/etc/pfw", filepath.Dir(d.Config), "pfw explain 4711", "pfw explain 1",
		"pfw monitor", "timeout --foreground --preserve-status -s INT 2 pfw monitor", "pfw check &&", "pfw check "+d.Config+" &&", "~/", bin+"/")
	for _, c := range withChildren((&app{}).root()) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			if err := d.Edit(exampleConfig); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for path, text := range map[string]string{
				filepath.Join(dir, "firewall.toml"): exampleConfig, filepath.Join(dir, "new.toml"): exampleConfig,
				filepath.Join(dir, "spamhaus.netset"): "203.0.113.0/28\n",
			} {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			script := "set -e -o pipefail\npfw panic off; pfw reload\n" + here.Replace(c.Example)
			if c.Name() == "unban" {
				script = "pfw ban 203.0.113.7; pfw ban 203.0.113.8\n" + script
			}
			cmd := exec.Command("bash", "-c", script)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "PFW_SOCKET="+d.Socket)
			cmd.WaitDelay = time.Minute
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", script, err, out)
			}
		})
	}
}

func withChildren(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	if c.Example != "" {
		all = append(all, c)
	}
	for _, child := range c.Commands() {
		all = append(all, withChildren(child)...)
	}
	return all
}
