package config

import "fmt"

// fault is what is wrong with a value, before its place is known.
type fault struct{ message, hint string }

func (f *fault) Error() string {
	if f.hint == "" {
		return f.message
	}
	return f.message + " (" + f.hint + ")"
}

func wrong(hint, format string, a ...any) *fault { return &fault{fmt.Sprintf(format, a...), hint} }
