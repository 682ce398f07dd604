package daemon

import (
	"testing"

	"pfw/e2e/hosts"
)

func TestMain(m *testing.M) { hosts.Main(m) }
