package main

import (
	"errors"

	"github.com/spf13/cobra"

	"pfw/config"
	"pfw/daemon/api"
)

func (a *app) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a rule file: errors, warnings, expectations",
		Long: "Check a rule file, with the firewall.d and the lists beside it; without FILE, " + defaultConfig + ".\n" +
			"It needs neither daemon nor root. Exit status: 0 valid, 4 not valid, 5 an expectation does not hold.",
		Example: example("pfw check firewall.toml && sudo cp firewall.toml /etc/pfw/ && sudo pfw reload"),
		Args:    words(0, 1, ""),
		RunE: func(_ *cobra.Command, args []string) error {
			path := defaultConfig
			if len(args) > 0 {
				path = args[0]
			}
			return a.judgeFile(path)
		},
	}
}

func (a *app) judgeFile(path string) error {
	c, loadErr := load(path)
	v, err := api.NewCheck(path, c, loadErr)
	if err != nil {
		return err
	}
	if err := present(a, v, func(v api.Check) { a.checked(v, loadErr) }); err != nil || v.Valid {
		return err
	}
	var bad *config.Errors
	if !errors.As(loadErr, &bad) {
		return loadErr
	}
	return &notValid{invalid(bad.ExpectationOnly())}
}

// checked writes what is wrong to standard error, as compilers do, and the outcome to standard output.
func (a *app) checked(v api.Check, err error) {
	if err != nil {
		a.err.printf("%s", block(err.Error()))
	}
	a.warnings(v.Warnings)
	holding := 0
	for _, x := range v.Expectations {
		if x.OK {
			holding++
		}
	}
	outcome := styled{green, "valid"}
	if !v.Valid {
		outcome = styled{red, "not valid"}
	}
	a.out.printf("%s: %s", v.File, outcome)
	separator := ": "
	tell := func(text string) {
		a.out.printf("%s%s", separator, text)
		separator = ", "
	}
	if n := len(v.Errors); n > 0 {
		tell(things(n, "error"))
	}
	if n := len(v.Warnings); n > 0 {
		tell(things(n, "warning"))
	}
	switch n := len(v.Expectations); {
	case n == 1 && holding == 1:
		tell("1 expectation holds")
	case n > 0 && holding == n:
		tell(count(n) + " expectations hold")
	case n > 0:
		tell(count(n-holding) + " of " + things(n, "expectation") + " failed")
	}
	a.out.printf("\n")
}

// warnings go to standard error, so that they are seen where the output is piped.
func (a *app) warnings(all []config.Problem) {
	for _, w := range all {
		a.err.printf("%s %s", styled{yellow, "warning:"}, block(w.Text()))
	}
}
