package config

import "fmt"

// fault is what is wrong with a value, before its place is known.
type fault struct {
	message, hint string
	// guess makes the hint where that takes time; only those that are shown are made.
	guess func() string
}

func (f *fault) Error() string {
	if hint := f.advice(); hint != "" {
		return f.message + " (" + hint + ")"
	}
	return f.message
}

func (f *fault) advice() string {
	if f.guess != nil {
		return f.guess()
	}
	return f.hint
}

func wrong(hint, format string, a ...any) *fault {
	return &fault{message: fmt.Sprintf(format, a...), hint: hint}
}

// unknown is wrong with a hint that is looked for among many words.
func unknown(guess func() string, format string, a ...any) *fault {
	return &fault{message: fmt.Sprintf(format, a...), guess: guess}
}
