package daemon

import (
	"os"
	"testing"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(envSend); what != "" {
		os.Exit(sendAndWait(what))
	}
	hosts.Main(m)
}
