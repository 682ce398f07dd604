package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// metricsText is the format that Prometheus reads, and its version.
const metricsText = "text/plain; version=0.0.4; charset=utf-8"

func metrics(s *server, w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	text, err := s.backend.Metrics(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", metricsText)
	// Who asked is gone if this fails: nobody is left to tell.
	_, _ = w.Write(text)
	return nil
}

// Metrics asks for the metrics, as the text that Prometheus reads.
func (c *Client) Metrics(ctx context.Context) (string, error) {
	answer, err := c.ask(ctx, http.MethodGet, "metrics", nil)
	if err != nil {
		return "", err
	}
	defer answer.Close()
	text, err := io.ReadAll(answer)
	if err != nil {
		return "", fmt.Errorf("read answer of pfwd: %w", err)
	}
	return string(text), nil
}
