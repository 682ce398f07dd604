package api

import "time"

// Time is a moment on the wire: RFC 3339 in UTC with microseconds.
type Time struct{ time.Time }

const layout = "2006-01-02T15:04:05.000000Z07:00"

// MarshalJSON gives exactly six digits of fraction. It must be this method: the one of the embedded time would win over
// MarshalText.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"` + layout + `"`)), nil
}
