package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pfw/config"
	"pfw/daemon/api"
)

const (
	defaultSocket = "/run/pfw/control.sock"
	defaultConfig = "/etc/pfw/firewall.toml"
	// listCache is where pfwd keeps what was fetched from the net, for those who may read it.
	listCache = "/var/lib/pfw/lists"
)

// How long the daemon may take. One that is stopped is as good as none.
const (
	askTime    = 15 * time.Second
	reloadTime = 2 * time.Minute
)

// app is what the verbs share.
type app struct {
	out, err *screen
	socket   string
	json     bool
}

// run does what the arguments say and gives the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	a := &app{out: newScreen(stdout), err: newScreen(stderr)}
	root := a.root()
	root.SetArgs(arrows(args))
	if len(args) > 0 && args[0] == cobra.ShellCompRequestCmd {
		plainUsage(root)
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		err = a.out.failed
	}
	if err == nil {
		return exitDone
	}
	return a.complain(err)
}

// arrows keeps an arrow that is a word of a packet from being read as flags.
func arrows(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if arg == "->" {
			arg = "→"
		}
		out[i] = arg
	}
	return out
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pfw VERB ...",
		Short: "Ask and steer the pfw personal firewall",
		Long: `pfw is everything a person does with the firewall that pfwd keeps in force. It talks to the daemon over its control
socket, which root and members of group pfw may use. check, and show and explain with --config, read a file: they
need neither daemon nor root.

Exit status:

    0  done
    1  failed
    2  wrong usage
    3  the daemon is not reachable
    4  the file is not valid
    5  an expectation failed

Environment:

    PFW_SOCKET  the control socket, where --socket is not given
    NO_COLOR    no colours, on a terminal too`,
		Example: "  pfw status\n  pfw check && pfw reload",
		Version: version, SilenceErrors: true, SilenceUsage: true, DisableFlagsInUseLine: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetVersionTemplate("pfw {{.Version}}\n")
	root.SetFlagErrorFunc(badFlag)
	flags := root.PersistentFlags()
	flags.StringVar(&a.socket, "socket", socketFromEnvironment(), "`PATH` of the daemon's control socket")
	flags.BoolVar(&a.json, "json", false, "print what the daemon answers, as JSON")
	root.AddCommand(a.status(), a.rules(), a.connections(), a.check(), a.show(), a.explain(), a.reload(), a.monitor())
	root.AddCommand(a.try(), a.confirm(), a.revert(), a.panic())
	root.AddCommand(a.log())
	root.AddCommand(a.edits()...)
	root.AddCommand(a.ban(), a.unban(), a.bans(), a.lists(), a.fetch())
	for _, c := range root.Commands() {
		c.DisableFlagsInUseLine = true
	}
	a.complete(root.Commands())
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd("")
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = cobra.ArbitraryArgs, root.RunE
			c.Example = example("source <(pfw completion bash)", "pfw completion fish >~/.config/fish/completions/pfw.fish")
			for _, shell := range c.Commands() {
				// It is cobra's, and no shell of Linux.
				shell.Hidden = shell.Name() == "powershell"
			}
		}
	}
	return root
}

// helpCommand is cobra's but for a word that is no command, which is an error here.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about a command", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), args[0])
			}
			return c.Help()
		},
	}
}

func socketFromEnvironment() string {
	if path := os.Getenv("PFW_SOCKET"); path != "" {
		return path
	}
	return defaultSocket
}

func (a *app) client() *api.Client { return api.NewClient(a.socket) }

// load reads a rule file as the verbs without a daemon do.
func load(path string) (*config.Config, error) {
	return config.Load(path, config.Options{Source: config.Disk(), Now: time.Now(), Cache: listCache})
}

// present prints a value: as JSON where that is asked for, else by text.
func present[T any](a *app, v T, text func(T)) error {
	if a.json {
		return a.answer(v)
	}
	text(v)
	return nil
}

// answer prints a value as the daemon sends it.
func (a *app) answer(v any) error {
	line, err := api.Encode(v)
	if err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	a.out.json(line)
	return nil
}

// example indents a worked example as cobra's help wants it.
func example(lines ...string) string { return "  " + strings.Join(lines, "\n  ") }
