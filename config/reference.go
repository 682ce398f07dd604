package config

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"pfw/config/policy"
)

// reference is where the text of a long list is, so that a snapshot does not hold it in memory.
type reference struct {
	from        Source
	path        string
	directories []string
	file        identity
	set         *policy.AddressSet
}

// save copies the file into an archive, or where it is not what was read any more, writes what was read of it.
func (r reference) save(out *tar.Writer, name string) error {
	f, err := r.from.OpenBeneath(r.path, r.directories)
	if err == nil {
		defer f.Close()
		if info, err := f.Stat(); err == nil {
			if id, _ := identify(info); id == r.file {
				return r.copy(out, name, f, info.Size())
			}
		}
	}
	text, err := r.text()
	if err != nil {
		return err
	}
	return saveFile(out, name, int64(len(text)), bytes.NewReader(text))
}

func (r reference) mark() []byte { return fmt.Append(nil, r.file) }

func (r reference) copy(out *tar.Writer, name string, f fs.File, size int64) error {
	if err := saveFile(out, name, size, io.LimitReader(f, size)); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if id, _ := identify(info); id != r.file {
		return errors.New("it changed while it was read")
	}
	return nil
}

// text writes the set as a list file.
func (r reference) text() ([]byte, error) {
	var text bytes.Buffer
	for _, f := range policy.Families {
		for p := range r.set.Prefixes(f) {
			fmt.Fprintln(&text, p)
		}
	}
	if !strings.HasSuffix(r.path, ".gz") {
		return text.Bytes(), nil
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write(text.Bytes())
	return packed.Bytes(), errors.Join(err, zip.Close())
}

// FileOf gives a file in memory, for a Source that has its files there.
func FileOf(path string, data []byte) fs.File {
	return memory{bytes.NewReader(data), path}
}

type memory struct {
	*bytes.Reader
	path string
}

func (m memory) Stat() (fs.FileInfo, error) { return m, nil }
func (m memory) Close() error               { return nil }
func (m memory) Name() string               { return filepath.Base(m.path) }
func (m memory) Mode() fs.FileMode          { return 0o600 }
func (m memory) ModTime() time.Time         { return time.Time{} }
func (m memory) IsDir() bool                { return false }
func (m memory) Sys() any                   { return nil }
