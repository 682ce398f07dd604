package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// newLogger writes messages for people: the message, then the attributes as key=value. In the journal the time is
// known and the level is a syslog priority (sd-daemon(3)), so that `journalctl -p err` finds errors; on a terminal
// both stand in front as text.
func newLogger(out *output, journal bool) *slog.Logger {
	h := &handler{out: out, journal: journal}
	out.missed = func(n uint64) string {
		return h.format(slog.LevelWarn, fmt.Sprintf("%d messages are missing here, as nobody read them", n))
	}
	return slog.New(h)
}

// underJournal tells whether the file is the stream that systemd connected to the journal: $JOURNAL_STREAM has its
// device and inode (systemd.exec(5)). A file that it was redirected to since is not.
func underJournal(getenv func(string) string, f *os.File) bool {
	device, inode, ok := strings.Cut(getenv("JOURNAL_STREAM"), ":")
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && device == strconv.FormatUint(st.Dev, 10) && inode == strconv.FormatUint(st.Ino, 10)
}

type handler struct {
	out     *output
	journal bool
	group   string // "a.b."
	attrs   []slog.Attr
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.group += name + "."
	return &next
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var line, below bytes.Buffer
	line.WriteString(r.Message)
	write := func(a slog.Attr) {
		if a.Equal(slog.Attr{}) {
			return
		}
		value := fmt.Sprint(a.Value.Resolve().Any())
		ours := a.Key == "error" || a.Key == "err"
		switch {
		case (ours || a.Key == "stack") && strings.Contains(value, "\n"):
			// The message of a bad file has several lines, made to be read as they are. Others' words stay in their line.
			below.WriteString("\n" + strings.TrimRight(value, "\n"))
		case ours:
			line.WriteString(": " + value)
		default:
			fmt.Fprintf(&line, " %s=%s", a.Key, quoted(value))
		}
	}
	for _, a := range h.attrs {
		write(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		a.Key = h.group + a.Key
		write(a)
		return true
	})
	line.Write(below.Bytes())
	h.out.say(h.format(r.Level, line.String()))
	return nil
}

// format makes of a message what goes out.
func (h *handler) format(level slog.Level, text string) string {
	first, rest := time.Now().Format("2006-01-02 15:04:05 ")+word(level), "    "
	if h.journal {
		// Each line is an entry of its own there.
		first = fmt.Sprintf("<%d>", priority(level))
		rest = first
	}
	return first + strings.ReplaceAll(printable(text), "\n", "\n"+rest) + "\n"
}

func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " \"=") || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// printable spells out what a terminal would interpret: an error may quote what somebody else wrote.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// word names what is not ordinary.
func word(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error: "
	case l >= slog.LevelWarn:
		return "warning: "
	}
	return ""
}

// priority is syslog's: err, warning, info.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	}
	return 6
}
