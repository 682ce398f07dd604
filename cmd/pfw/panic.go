package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pfw/daemon/api"
)

func (a *app) panic() *cobra.Command {
	var length string
	var force bool
	cmd := &cobra.Command{
		Use:   "panic [on|off] [--for 5m] [--force]",
		Short: "Block everything but loopback, at once",
		Long: "Block everything but loopback at once: what comes in, what goes out and what passes through, open connections too. The\n" +
			"policy is not changed, and panic off returns to it; connections that have not given up by then go on. A panic outlives\n" +
			"pfwd and a reboot. Over ssh it would cut you off for good, so there it wants --for, which ends it by itself, or --force.\n\n" +
			"Without on or off, it is on. pfw status tells whether there is one.",
		Example: example("pfw panic", "pfw panic off", "pfw panic on --for 5m"),
		Args:    words(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			alarm, err := alarmOf(append(args, "on")[0], length, force)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), reloadTime)
			defer cancel()
			v, err := a.client().Panic(ctx, alarm)
			if err != nil {
				return err
			}
			return present(a, v, func(v api.Outcome) { a.alarmed(alarm, v) })
		},
	}
	cmd.Flags().StringVar(&length, "for", "", "end it by itself after this `TIME`")
	cmd.Flags().BoolVar(&force, "force", false, "also where it cuts you off")
	return cmd
}

// alarmOf reads what the command line asks for.
func alarmOf(word, length string, force bool) (api.Alarm, error) {
	alarm := api.Alarm{On: word == "on", Force: force}
	switch {
	case word != "on" && word != "off":
		hint := cmp.Or(nearest(word, []string{"on", "off"}), "pfw panic on, or pfw panic off")
		return api.Alarm{}, &usageError{fmt.Sprintf("panic %s: neither on nor off", word), hint}
	case length == "":
		return alarm, nil
	case !alarm.On:
		return api.Alarm{}, &usageError{"--for goes with panic on", "pfw panic off"}
	}
	var err error
	alarm.For, err = parseFor("--for", length)
	return alarm, err
}

func (a *app) alarmed(asked api.Alarm, v api.Outcome) {
	switch {
	case !asked.On:
		a.out.printf("no panic: the policy is in force, generation %d\n", v.Generation)
		return
	case v.Until == nil:
		a.out.printf("%s: everything but loopback is blocked\n", styled{red, "PANIC"})
	default:
		a.out.printf("%s: everything but loopback is blocked until %s\n", styled{red, "PANIC"}, v.Until.Local().Format(time.DateTime))
	}
	a.out.printf("  %s returns to the policy\n", styled{bold, "pfw panic off"})
}
