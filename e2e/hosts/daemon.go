package hosts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Limits on what a daemon may take; generous, as a loaded machine runs tests too.
const (
	readyLimit = time.Minute // a list of a million entries takes its time
	stopLimit  = 15 * time.Second
)

// Daemon is a real pfwd on a host, with files in a temporary directory of its
// own that outlives the process: after Stop or Kill, Start starts it again where
// it left off. Its methods are for one goroutine.
type Daemon struct {
	Host   *Host
	Dir    string // holds all the rest
	Config string // firewall.toml
	Socket string // of the control API
	Log    string // audit.jsonl
	Stderr string // standard error of every process so far, one after another

	// Env is added to the environment of the next Start, such as
	// "INVOCATION_ID=…". What systemd sets for services is not inherited.
	Env []string

	pfwd, pfw string
	notices   *notices
	cmd       *Cmd
	started   int           // how many notices came before this process
	gone      chan struct{} // closed when the process has been waited for
	exit      error         // of Wait; read after gone
}

// NewDaemon lays out a daemon's files on a host: config is the text of
// firewall.toml, in which [log] file is pointed into the directory. pfwd and pfw
// are the binaries. The caller starts it, and closes it in the end.
func NewDaemon(h *Host, pfwd, pfw, config string) (*Daemon, error) {
	// Short, because a socket's path holds 107 bytes.
	dir, err := os.MkdirTemp("", "pfw-")
	if err != nil {
		return nil, fmt.Errorf("make directory for pfwd: %w", err)
	}
	d := &Daemon{
		Host:   h,
		Dir:    dir,
		Config: filepath.Join(dir, "etc", "firewall.toml"),
		Socket: filepath.Join(dir, "run", "control.sock"),
		Log:    filepath.Join(dir, "log", "audit.jsonl"),
		Stderr: filepath.Join(dir, "stderr"),
		pfwd:   pfwd,
		pfw:    pfw,
	}
	for _, sub := range []string{"etc", "run", "state", "log"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, errors.Join(fmt.Errorf("make directory for pfwd: %w", err), os.RemoveAll(dir))
		}
	}
	if d.notices, err = listenNotices(filepath.Join(dir, "notify.sock")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := d.Edit(config); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Edit replaces firewall.toml in one step, as an editor does; nothing is reloaded.
func (d *Daemon) Edit(config string) error {
	next := d.Config + ".new"
	if err := os.WriteFile(next, []byte(logTo(config, d.Log)), 0o644); err != nil {
		return fmt.Errorf("write config: %w", err)
	}
	if err := os.Rename(next, d.Config); err != nil {
		return fmt.Errorf("put config in place: %w", err)
	}
	return nil
}

// logTo points [log] file of a config at a path; other keys of [log] stay.
func logTo(config, path string) string {
	file := fmt.Sprintf("file = %q", path)
	var out []string
	inLog, found := false, false
	for line := range strings.Lines(config) {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "[") {
			inLog = strings.HasPrefix(text, "[log]")
		}
		key, _, _ := strings.Cut(text, "=")
		if inLog && strings.TrimSpace(key) == "file" {
			continue
		}
		out = append(out, strings.TrimSuffix(line, "\n"))
		if inLog && strings.HasPrefix(text, "[log]") {
			out = append(out, file)
			found = true
		}
	}
	if !found {
		out = append(out, "[log]", file)
	}
	return strings.Join(out, "\n") + "\n"
}

// Start starts pfwd and waits until it is ready. One that ends instead, or is not
// ready in time, is an error that shows its standard error; ExitCode reads its
// exit status from it.
func (d *Daemon) Start() error {
	stderr, err := os.OpenFile(d.Stderr, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open standard error: %w", err)
	}
	lines, _ := d.notices.all()
	d.started = len(lines)
	d.cmd = d.Host.Command(d.pfwd, "--config", d.Config,
		"--runtime-dir", filepath.Dir(d.Socket), "--state-dir", filepath.Join(d.Dir, "state"))
	d.cmd.Stdout, d.cmd.Stderr = stderr, stderr
	d.cmd.Env = append(environment(), "NOTIFY_SOCKET="+filepath.Join(d.Dir, "notify.sock"))
	d.cmd.Env = append(d.cmd.Env, d.Env...)
	err = d.cmd.Start()
	if closeErr := stderr.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		d.cmd = nil
		return fmt.Errorf("start pfwd: %w", err)
	}
	d.gone = make(chan struct{})
	go func(cmd *Cmd, gone chan struct{}) {
		d.exit = cmd.Wait()
		close(gone)
	}(d.cmd, d.gone)
	if _, err := d.notices.wait(d.started, "READY=1", readyLimit, d.gone); err != nil {
		_, exit := d.end(syscall.SIGKILL)
		return fmt.Errorf("start pfwd: %w: %w\n%s", err, exit, d.stderrTail())
	}
	return nil
}

// environment is this process's, less what a supervisor of the tests put there
// for itself and what pfw's own commands read.
func environment() (kept []string) {
	for _, e := range os.Environ() {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "WATCHDOG_USEC", "WATCHDOG_PID", "MANAGERPID",
			"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "SYSTEMD_EXEC_PID", "PFW_SOCKET":
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// Pid is the process id of the running pfwd.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Stop asks pfwd to stop (SIGTERM) and waits. One that ends with another status
// than 0, or not in time, is an error.
func (d *Daemon) Stop() error {
	sent, exit := d.end(syscall.SIGTERM)
	if err := errors.Join(sent, exit); err != nil {
		return fmt.Errorf("stop pfwd: %w\n%s", err, d.stderrTail())
	}
	return nil
}

// Kill ends pfwd as a crash does (SIGKILL), and waits.
func (d *Daemon) Kill() error {
	if sent, _ := d.end(syscall.SIGKILL); sent != nil {
		return fmt.Errorf("kill pfwd: %w", sent)
	}
	return nil
}

// end sends a signal and waits for the process, with SIGKILL when it takes too
// long. exit is how the process ended.
func (d *Daemon) end(s syscall.Signal) (sent, exit error) {
	if d.cmd == nil {
		return nil, errors.New("pfwd does not run")
	}
	sent = d.cmd.Process.Signal(s)
	if errors.Is(sent, os.ErrProcessDone) {
		sent = nil
	}
	select {
	case <-d.gone:
	case <-time.After(stopLimit):
		sent = errors.Join(sent, fmt.Errorf("still there %s after %s", stopLimit, s), d.cmd.Process.Kill())
		<-d.gone
	}
	d.cmd = nil
	return sent, d.exit
}

// Exited is closed when the running pfwd ends, for whatever reason.
func (d *Daemon) Exited() <-chan struct{} { return d.gone }

// Hup asks for a reload by signal and waits until pfwd is done with it, in
// whatever way.
func (d *Daemon) Hup() error {
	lines, _ := d.notices.all()
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("send SIGHUP: %w", err)
	}
	at, err := d.notices.wait(len(lines), "RELOADING=1", readyLimit, d.gone)
	if err == nil {
		_, err = d.notices.wait(at, "READY=1", readyLimit, d.gone)
	}
	if err != nil {
		return fmt.Errorf("reload by signal: %w\n%s", err, d.stderrTail())
	}
	return nil
}

// Pfw runs pfw on the host against this daemon and returns its standard output.
// A status other than 0 is an error that shows standard error; see ExitCode.
func (d *Daemon) Pfw(args ...string) (string, error) {
	cmd := d.Host.Command(d.pfw, append([]string{"--socket", d.Socket}, args...)...)
	cmd.Env = environment()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("pfw %s: %w\n%s", strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}

// Reload is `pfw reload`.
func (d *Daemon) Reload() error {
	_, err := d.Pfw("reload")
	return err
}

// Notices is every sd_notify assignment of the running process so far, such as
// "READY=1" or "STATUS=…".
func (d *Daemon) Notices() []string {
	lines, _ := d.notices.all()
	return lines[d.started:]
}

// WaitNotice waits for an assignment of the running process that starts with
// prefix, also one that came already.
func (d *Daemon) WaitNotice(prefix string, limit time.Duration) error {
	_, err := d.notices.wait(d.started, prefix, limit, d.gone)
	return err
}

// Close ends pfwd if it still runs and removes its files.
func (d *Daemon) Close() error {
	var err error
	if d.cmd != nil {
		err = d.Kill()
	}
	return errors.Join(err, d.notices.close(), os.RemoveAll(d.Dir))
}

// stderrTail is the end of what pfwd wrote, for messages.
func (d *Daemon) stderrTail() string {
	text, err := os.ReadFile(d.Stderr)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// ExitCode is the exit status of the program that err tells of: 0 for nil, -1
// where err tells of none.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}
