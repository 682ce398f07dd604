package lists

import (
	"strings"
	"testing"
)

// Who fetches may be anybody by then, and must not fill the memory of root.
func TestOfComplaintsTheBeginningIsKept(t *testing.T) {
	var b beginning
	for _, s := range []string{"it is ", "so", strings.Repeat("!", 3*mostKept), "more"} {
		if n, err := b.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if len(b) != mostKept || !strings.HasPrefix(string(b), "it is so!") {
		t.Errorf("%d bytes: %.20s", len(b), b)
	}
}
