package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"pfw/daemon/audit"
)

// longestLine is in bytes, beyond that of any entry.
const longestLine = 1 << 20

// Events gives the entries that q asks for, one after another. An error is the last that is given; the end of the answer
// is none, which to who follows is the end of the daemon.
func (c *Client) Events(ctx context.Context, q EventsQuery) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		what := "events"
		if values := q.values(); len(values) > 0 {
			what += "?" + values.Encode()
		}
		answer, err := c.ask(ctx, http.MethodGet, what, nil)
		if err != nil {
			yield(audit.Entry{}, err)
			return
		}
		defer answer.Close()
		lines := bufio.NewReaderSize(answer, longestLine)
		for {
			var e audit.Entry
			line, err := lines.ReadSlice('\n')
			switch {
			case err == nil:
				if err = e.UnmarshalJSON(bytes.TrimSuffix(line, []byte{'\n'})); err != nil {
					err = fmt.Errorf("read events: %w", err)
				}
			case errors.Is(err, io.EOF) && len(line) == 0:
				return
			case errors.Is(err, bufio.ErrBufferFull):
				err = fmt.Errorf("read events: %w", err)
			case ctx.Err() == nil:
				err = fmt.Errorf("%w: %w", ErrUnreachable, errBrokeOff)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
