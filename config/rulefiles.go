package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// ReadRuleFiles reads firewall.toml at path and the files of firewall.d beside it, in the order in which they count. It fails
// where firewall.toml cannot be read, with ErrOutside where it is a link that leads out of the directories that pfw reads.
func ReadRuleFiles(path string, src Source) ([]RuleFile, error) {
	beneath := readFrom(path)
	text, err := src.ReadBeneath(path, beneath)
	if err != nil {
		return nil, err
	}
	out := []RuleFile{{Path: path, Text: string(text)}}
	paths, err := moreFiles(path, src)
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		text, err := src.ReadBeneath(p, beneath)
		out = append(out, RuleFile{Path: p, Text: string(text), Unread: err})
	}
	return out, nil
}

// SumOf tells the texts of rule files apart from all others.
func SumOf(files []RuleFile) string {
	sum := sha256.New()
	for _, f := range files {
		text := f.Text
		if f.Unread != nil {
			text = f.Unread.Error()
		}
		for _, s := range []string{f.Path, text} {
			// A hash takes whatever it is given.
			_, _ = sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
			_, _ = sum.Write([]byte(s))
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// readFrom lists the directories beneath which the files lie that a firewall.toml may name.
func readFrom(path string) []string {
	return []string{filepath.Dir(clean(path)), "/var/lib/pfw", "/usr/share"}
}

// moreFiles lists the files of firewall.d beside a firewall.toml.
func moreFiles(path string, src Source) ([]string, error) {
	dir := filepath.Join(filepath.Dir(path), "firewall.d")
	names, err := src.ReadDir(dir, readFrom(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	slices.Sort(names)
	var out []string
	for _, name := range names {
		if strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".") {
			out = append(out, filepath.Join(dir, name))
		}
	}
	return out, nil
}
