package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"pfw/config"
	"pfw/daemon/api"
)

// Config reads the rule files as they are now.
func (d *Daemon) Config(context.Context) (api.File, error) {
	files, err := d.ruleFiles()
	if err != nil {
		return api.File{}, err
	}
	out := api.File{File: files[0].Path, Text: files[0].Text, ETag: etagOf(files)}
	for _, f := range files[1:] {
		// One that cannot be read is an error of the rules, and told as such.
		if f.Unread == nil {
			out.More = append(out.More, api.RuleFile{File: f.Path, Text: f.Text})
		}
	}
	return out, nil
}

func (d *Daemon) ruleFiles() ([]config.RuleFile, error) {
	files, err := config.ReadRuleFiles(d.o.Config, config.Disk())
	at := new(os.PathError)
	switch {
	case errors.Is(err, config.ErrOutside) && errors.As(err, &at):
		// Whoever may use the socket is not, for that, allowed to read whatever pfwd can.
		return nil, api.NewProblem(http.StatusConflict, at.Path+" is a link to somewhere else, so it is neither shown nor edited here",
			"read and edit it where it lies, then pfw reload")
	case err != nil:
		return nil, fmt.Errorf("read rule files: %w", err)
	}
	return files, nil
}

func etagOf(files []config.RuleFile) string { return `"` + config.SumOf(files) + `"` }

// editable refuses a rule file that lies elsewhere than beneath the directory of firewall.toml.
func (d *Daemon) editable(path string) error {
	home, err := filepath.EvalSymlinks(filepath.Dir(d.o.Config))
	if err != nil {
		return fmt.Errorf("edit rule file: %w", err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("edit rule file: %w", err)
	}
	if rest, err := filepath.Rel(home, real); err != nil || rest == ".." || strings.HasPrefix(rest, "../") {
		return api.NewProblem(http.StatusConflict, fmt.Sprintf("%s is a link that leads out of %s, so pfwd does not edit it", path, filepath.Dir(d.o.Config)),
			"edit it where it lies, then pfw reload")
	}
	return nil
}

// overlay is a Source in which one file has another text.
type overlay struct {
	config.Source
	path string
	text []byte
}

func (o overlay) ReadFile(path string) ([]byte, error) {
	if path == o.path {
		return o.text, nil
	}
	return o.Source.ReadFile(path)
}

func (o overlay) ReadBeneath(path string, directories []string) ([]byte, error) {
	if path == o.path {
		return o.text, nil
	}
	return o.Source.ReadBeneath(path, directories)
}
