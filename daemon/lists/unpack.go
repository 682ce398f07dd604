package lists

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The first bytes of what is packed: RFC 1952, RFC 8878.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// mostWindow bounds what unpacking zstd holds, in bytes; what a server may send without being asked (RFC 9659).
const mostWindow = 8 << 20

// mostLayers is how often a text may be packed: by who made the file, and by the server on the way.
const mostLayers = 2

// unpack reads a text that came with a Content-Encoding; what it names, and what the first bytes say. At most so many bytes are
// read, and at most so many come out, whatever they are packed into.
func unpack(r io.Reader, encoding string, most int64) (text []byte, packed bool, err error) {
	switch encoding {
	case "", "identity", "gzip", "x-gzip", "zstd":
	default:
		return nil, false, fmt.Errorf("it is packed as %q, which is neither gzip nor zstd", encoding)
	}
	in := io.Reader(&bounded{r: r, left: most, most: most})
	for range mostLayers {
		layer, free, err := unpackLayer(in)
		if err != nil {
			return nil, packed, err
		}
		defer free()
		packed = packed || layer.packed
		in = &bounded{r: layer, left: most, most: most}
		if !layer.packed {
			break
		}
	}
	if text, err = io.ReadAll(in); err != nil {
		return nil, packed, err
	}
	if !packed && encoding != "" && encoding != "identity" && len(text) > 0 {
		return nil, false, fmt.Errorf("the server says that it is packed as %s, and it is not", encoding)
	}
	return text, packed, nil
}

// layer is what is in a file, which may be packed.
type layer struct {
	io.Reader
	packed bool
}

// Read says of an error that it is of the packing.
func (l layer) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if err != nil && l.packed && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("unpack: %w", err)
	}
	return n, err
}

func unpackLayer(r io.Reader) (l layer, free func(), err error) {
	in := bufio.NewReader(r)
	// What is shorter is not packed.
	magic, err := in.Peek(len(zstdMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return layer{}, nil, err
	}
	switch {
	case bytes.HasPrefix(magic, gzipMagic):
		z, err := gzip.NewReader(in)
		if err != nil {
			return layer{}, nil, fmt.Errorf("unpack: %w", err)
		}
		return layer{z, true}, func() {}, nil
	case bytes.Equal(magic, zstdMagic):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return layer{}, nil, fmt.Errorf("unpack: %w", err)
		}
		return layer{z, true}, z.Close, nil
	}
	return layer{in, false}, func() {}, nil
}

// bounded is a reader that fails where there is more than there may be.
type bounded struct {
	r          io.Reader
	left, most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	// One byte more than is left tells whether there is one.
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLarge(b.most)
	}
	return n, err
}
