package lists

import (
	"bytes"
	"testing"
)

// Whatever a server sends, no more comes of it than may.
func FuzzUnpack(f *testing.F) {
	for _, encoding := range []string{"", "gzip", "zstd"} {
		f.Add([]byte(text), encoding)
	}
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x32\xb4\x34\xd2\x33\xd0\x33\xd2\x33\xe4\x02\x04\x00\x00\xff\xff"), "gzip")
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00\x51\x00\x00\x31\x39\x32\x2e\x30\x2e\x32\x2e\x31\x0a"), "zstd")
	f.Add([]byte("\x28\xb5\x2f\xfd"), "")
	f.Add([]byte("\x1f\x8b"), "")
	f.Fuzz(func(t *testing.T, data []byte, encoding string) {
		const most = 4 << 10
		out, packed, err := unpack(bytes.NewReader(data), encoding, most)
		if len(out) > most {
			t.Errorf("%d bytes of at most %d", len(out), most)
		}
		if err == nil && !packed && !bytes.Equal(out, data) {
			t.Errorf("%q became %q", data, out)
		}
	})
}

// Who fetches is not trusted by who asked for it.
func FuzzReply(f *testing.F) {
	f.Add([]byte("{\"bytes\":3}\nabc"))
	f.Add([]byte("{\"error\":\"x\"}\n"))
	f.Add([]byte("{\"unchanged\":true}\n"))
	f.Add([]byte("\n\n"))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := readReply(bytes.NewReader(data), 10)
		if err == nil && len(a.Text) > 10 {
			t.Errorf("%d bytes of at most 10", len(a.Text))
		}
	})
}
