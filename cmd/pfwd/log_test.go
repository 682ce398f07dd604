package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

var messages = []struct {
	name               string
	say                func(*slog.Logger)
	terminal, journald string // regular expressions
}{
	{"information", func(l *slog.Logger) { l.Info("policy in force", "rules", 12, "inbound", "block") },
		`policy in force rules=12 inbound=block\n`, `<6>policy in force rules=12 inbound=block\n`},
	{"warning", func(l *slog.Logger) { l.Warn("rule web can never match") },
		`warning: rule web can never match\n`, `<4>rule web can never match\n`},
	{"error", func(l *slog.Logger) { l.Error("pfwd ends", "error", errors.New("no table")) },
		`error: pfwd ends: no table\n`, `<3>pfwd ends: no table\n`},
	{"error of several lines", func(l *slog.Logger) {
		l.Error("refused", "error", errors.New("a.toml:1:2: bad\n    x = 1\n     ^\n"), "generation", 3)
	},
		`error: refused generation=3\n    a\.toml:1:2: bad\n        x = 1\n         \^\n`,
		`<3>refused generation=3\n<3>a\.toml:1:2: bad\n<3>    x = 1\n<3>     \^\n`},
	{"values with blanks", func(l *slog.Logger) { l.Info("cut", "why", "no rule", "none", "") },
		`cut why="no rule" none=""\n`, `<6>cut why="no rule" none=""\n`},
	{"escape sequences", func(l *slog.Logger) { l.Info("a\x1b[2Jb", "error", errors.New("c\x07")) },
		`a\\x1b\[2Jb: c\\a\n`, `<6>a\\x1b\[2Jb: c\\a\n`},
	{"lines that somebody would add", func(l *slog.Logger) { l.Warn("refused", "path", "/x\npfwd: panic off") },
		`warning: refused path="/x\\npfwd: panic off"\n`, `<4>refused path="/x\\npfwd: panic off"\n`},
	{"attributes of before and groups", func(l *slog.Logger) { l.With("group", 100).WithGroup("reader").Info("open", "bytes", 5) },
		`open group=100 reader\.bytes=5\n`, `<6>open group=100 reader\.bytes=5\n`},
	{"what only debugging wants", func(l *slog.Logger) { l.Debug("beat") }, ``, ``},
}

func TestMessagesForPeople(t *testing.T) {
	for _, c := range messages {
		for _, to := range []struct {
			name, want string
			journal    bool
		}{{"terminal", c.terminal, false}, {"journal", c.journald, true}} {
			var b bytes.Buffer
			out := newOutput(&b)
			c.say(newLogger(out, to.journal))
			out.close()
			want := `\A` + to.want + `\z`
			if !to.journal && to.want != "" {
				want = `\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ` + to.want + `\z`
			}
			if !regexp.MustCompile(want).MatchString(b.String()) {
				t.Errorf("%s on the %s: %q, want %s", c.name, to.name, b.String(), to.want)
			}
		}
	}
}

func TestJournalIsKnownByItsStream(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	own := streamOf(t, f)
	for _, c := range []struct {
		variable string
		want     bool
	}{{own, true}, {"", false}, {"1:2", false}, {own + "0", false}, {"soon", false}} {
		if got := underJournal(func(string) string { return c.variable }, f); got != c.want {
			t.Errorf("JOURNAL_STREAM=%s where standard error is %s: %t", c.variable, own, got)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"--version"}, 0},
		{[]string{"-h"}, 0},
		{[]string{"--confg", "x"}, 2},
		{[]string{"reload"}, 2},
		{[]string{"--config"}, 2},
	} {
		if code := run(c.args, io.Discard, io.Discard); code != c.code {
			t.Errorf("pfwd %q: exit status %d, want %d", c.args, code, c.code)
		}
	}
}

func streamOf(t *testing.T, f *os.File) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
