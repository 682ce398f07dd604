package config

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"pfw/config/policy"
)

// Snapshot is every file that a load read, contents and all. It is a Source: a load from it needs nothing from outside
// and gives the same policy.
type Snapshot struct {
	path  string
	files map[string][]byte
	// long are the long lists and the database of countries, whose contents are not in memory as they would be saved.
	long map[string]unsaved
}

// unsaved is a file that is yet to be written to be saved.
type unsaved interface {
	save(out *tar.Writer, name string) error
	// mark tells it from another.
	mark() []byte
}

// Path is the firewall.toml to load from the snapshot.
func (s *Snapshot) Path() string { return s.path }

// ReadFile gives the contents of a file that was read; any other does not exist.
func (s *Snapshot) ReadFile(path string) ([]byte, error) {
	if data, ok := s.files[clean(path)]; ok {
		return data, nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

// ReadBeneath gives the contents of a file that was read. Where the file lay was judged at that time.
func (s *Snapshot) ReadBeneath(path string, _ []string) ([]byte, error) { return s.ReadFile(path) }

// Long tells whether there are long lists in it, whose text is yet to be read to save it.
func (s *Snapshot) Long() bool { return len(s.long) > 0 }

// Digest tells snapshots apart by what Save would write.
func (s *Snapshot) Digest() [sha256.Size]byte {
	h := sha256.New()
	write := func(path string, data []byte) {
		fmt.Fprintf(h, "%d %s %d ", len(path), path, len(data))
		h.Write(data)
	}
	write(s.path, nil)
	for _, p := range slices.Sorted(maps.Keys(s.files)) {
		write(p, s.files[p])
	}
	for _, p := range slices.Sorted(maps.Keys(s.long)) {
		write(p, s.long[p].mark())
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// OpenBeneath opens a list that was read.
func (s *Snapshot) OpenBeneath(path string, _ []string) (fs.File, error) {
	data, err := s.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return FileOf(path, data), nil
}

// ReadDir lists the files of the directory that were read.
func (s *Snapshot) ReadDir(path string, _ []string) ([]string, error) {
	var names []string
	for p := range s.files {
		if filepath.Dir(p) == clean(path) {
			names = append(names, filepath.Base(p))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Save writes the snapshot, compressed.
func (s *Snapshot) Save(w io.Writer) error {
	// BestSpeed: a list of a million lines is written in a third of a second instead of two.
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	out := tar.NewWriter(zip)
	paths := slices.DeleteFunc(slices.Sorted(maps.Keys(s.files)), func(p string) bool { return p == s.path })
	// The first file is the one to load.
	for _, p := range append([]string{s.path}, paths...) {
		if err := saveFile(out, p, int64(len(s.files[p])), bytes.NewReader(s.files[p])); err != nil {
			return fmt.Errorf("save snapshot: %s: %w", p, err)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(s.long)) {
		if err := s.long[p].save(out, p); err != nil {
			return fmt.Errorf("save snapshot: %s: %w", p, err)
		}
	}
	if err := errors.Join(out.Close(), zip.Close()); err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	return nil
}

func saveFile(out *tar.Writer, path string, size int64, from io.Reader) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Size: size, Mode: 0o600}); err != nil {
		return err
	}
	_, err := io.Copy(out, from)
	return err
}

// ReadSnapshot reads what Save wrote.
func ReadSnapshot(r io.Reader) (*Snapshot, error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	s := &Snapshot{files: map[string][]byte{}}
	in := tar.NewReader(zip)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read snapshot: %w", err)
		}
		data, err := readAll(in, h.Name)
		if err != nil {
			return nil, fmt.Errorf("read snapshot: %s: %w", h.Name, err)
		}
		if s.path == "" {
			s.path = h.Name
		}
		s.files[h.Name] = data
	}
	// The archive ends before the stream does: only at its end is the checksum compared.
	if _, err := io.Copy(io.Discard, zip); err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	if s.path == "" {
		return nil, errors.New("read snapshot: it is empty")
	}
	return s, nil
}

// recorder is a Source that keeps what it gives.
type recorder struct {
	from  Source
	kept  *Snapshot
	trace *Trace
}

func (r recorder) keep(path string, data []byte, err error) ([]byte, error) {
	if err == nil {
		r.kept.files[clean(path)] = data
	}
	return data, err
}

func (r recorder) ReadFile(path string) ([]byte, error) {
	data, err := r.from.ReadFile(path)
	r.trace.add(readFile, path, nil, sumOf(data, err))
	return r.keep(path, data, err)
}

func (r recorder) ReadBeneath(path string, directories []string) ([]byte, error) {
	data, err := r.from.ReadBeneath(path, directories)
	r.trace.add(readBeneath, path, directories, sumOf(data, err))
	return r.keep(path, data, err)
}

// OpenBeneath records nothing: who reads it keeps the contents, or refers to them.
func (r recorder) OpenBeneath(path string, directories []string) (fs.File, error) {
	return r.from.OpenBeneath(path, directories)
}

// refer records where a long list is to be found.
func (r recorder) refer(path string, directories []string, file identity, set *policy.AddressSet) {
	r.kept.long[clean(path)] = reference{r.from, path, directories, file, set}
}

func (r recorder) ReadDir(path string, directories []string) ([]string, error) {
	names, err := r.from.ReadDir(path, directories)
	r.trace.add(readDirectory, path, directories, sumOfNames(names, err))
	return names, err
}

// clean gives the path by which a snapshot knows a file: absolute, so that a load from another directory finds it.
func clean(path string) string {
	// Abs fails only where the working directory is gone; the path as it is then serves as a name all the same.
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}
