package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/agext/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pfw/config"
	"pfw/daemon/api"
)

// Exit statuses of pfw.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitInvalid     = 4
	exitExpectation = 5
)

const goneHint = "systemctl status pfwd tells whether it runs, systemctl start pfwd starts it; nft list table inet pfw, what is in force without it"

// usageError is a command line that says nothing that pfw knows.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

// notValid is what a verb has said all about already.
type notValid struct{ code int }

func (e *notValid) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// complain says on standard error what went wrong and what helps, and gives the exit status.
func (a *app) complain(err error) int {
	var said *notValid
	if errors.As(err, &said) {
		return said.code
	}
	code, hint := a.judge(err)
	if a.json {
		a.problem(err)
	}
	if code == exitInvalid || code == exitExpectation {
		a.err.printf("%s", block(err.Error()))
	} else {
		a.err.printf("pfw: %s\n", err)
	}
	if hint != "" {
		a.err.printf("  hint: %s\n", hint)
	}
	var kept *unchanged
	if errors.As(err, &kept) {
		a.err.printf("pfw: %s\n", kept.note)
	}
	return code
}

// judge gives the exit status for an error, and what a person may do about it.
func (a *app) judge(err error) (code int, hint string) {
	var usage *usageError
	var request *api.RequestError
	var problem *api.Problem
	var bad *config.Errors
	var edit *config.EditError
	switch {
	case errors.As(err, &usage):
		return exitUsage, usage.hint
	case errors.As(err, &request):
		return exitUsage, packetHint
	case errors.Is(err, api.ErrUnreachable) && errors.Is(err, fs.ErrPermission):
		return exitUnreachable, fmt.Sprintf("become root, or a member of group %s", api.Group)
	case errors.Is(err, api.ErrUnreachable):
		return exitUnreachable, goneHint
	case errors.As(err, &bad):
		return invalid(bad.ExpectationOnly()), ""
	case errors.As(err, &edit):
		return exitFailed, edit.Hint
	case errors.As(err, &problem):
		switch {
		case problem.Type == api.InvalidFile:
			return invalid(problem.ExpectationOnly()), ""
		case problem.Status == http.StatusBadRequest && problem.Hint == "":
			return exitUsage, packetHint
		case problem.Status == http.StatusBadRequest:
			return exitUsage, problem.Hint
		case problem.Hint != "":
			return exitFailed, problem.Hint
		case problem.Status == http.StatusNotFound:
			return exitFailed, "this pfwd is older than this pfw: systemctl restart pfwd"
		}
	case errors.Is(err, fs.ErrPermission):
		return exitFailed, fmt.Sprintf("become root, or a member of group %s", api.Group)
	}
	return exitFailed, ""
}

func invalid(expectationOnly bool) int {
	if expectationOnly {
		return exitExpectation
	}
	return exitInvalid
}

// problem prints what the daemon answered, or would answer for a file that is not valid.
func (a *app) problem(err error) {
	var answered *api.Problem
	var bad *config.Errors
	var edit *config.EditError
	if !errors.As(err, &answered) && !errors.As(err, &bad) && !errors.As(err, &edit) {
		return
	}
	if err := a.answer(api.ProblemOf(err)); err != nil {
		a.err.printf("pfw: %s\n", err)
	}
}

func unknownCommand(cmd *cobra.Command, word string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	hint := nearest(word, names)
	if hint == "" {
		hint = cmd.CommandPath() + " --help lists the commands"
	}
	return &usageError{fmt.Sprintf("unknown command %q", word), hint}
}

func badFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	hint := ""
	if errors.As(err, &unknown) {
		var names []string
		collect := func(f *pflag.Flag) { names = append(names, "--"+f.Name) }
		cmd.LocalFlags().VisitAll(collect)
		cmd.InheritedFlags().VisitAll(collect)
		hint = nearest("--"+unknown.GetSpecifiedName(), names)
	}
	if hint == "" {
		hint = cmd.CommandPath() + " --help lists the flags"
	}
	return &usageError{err.Error(), hint}
}

// nearest suggests the candidate that was most likely meant, or nothing.
func nearest(word string, candidates []string) string {
	best, least := "", 1+len(word)/3
	for _, c := range candidates {
		if d := levenshtein.Distance(word, c, nil); d < least || d == least && best == "" {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// words checks how many arguments a verb is given.
func words(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return &usageError{what + " is missing", "pfw " + cmd.Use}
		case len(args) > most:
			return &usageError{fmt.Sprintf("pfw %s: too many arguments: %q", cmd.Name(), args[most]), "pfw " + cmd.Use}
		}
		return nil
	}
}
