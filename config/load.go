package config

import (
	"time"

	"pfw/config/policy"
)

// Load reads firewall.toml at path, the files of firewall.d beside it and the lists that they name. The error is
// *Errors where the files could be read and are not valid; any other where firewall.toml itself could not be read.
func Load(path string, o Options) (*Config, error) {
	if o.Source == nil {
		o.Source = Disk()
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	kept := &Snapshot{path: clean(path), files: map[string][]byte{}}
	src := recorder{o.Source, kept}
	var text []byte
	if o.Text != nil {
		text = []byte(*o.Text)
		kept.files[kept.path] = text
	} else {
		var err error
		if text, err = src.ReadFile(path); err != nil {
			return nil, err
		}
	}
	f := parse(path, text)
	c := &Config{Snapshot: kept}
	if f.root == nil {
		return nil, &Errors{Problems: f.problems}
	}
	top := reader{f: f, t: f.root}
	defaults := readDefaults(f, top.sub("default", "a table", "write [default] on a line of its own"))
	log, sinks := readLog(f, top.sub("log", "a table", "write [log] on a line of its own"))
	c.Sinks = sinks
	top.done()
	if len(f.problems) > 0 {
		return nil, &Errors{Problems: f.problems}
	}
	c.Policy, _ = policy.New(defaults, log, nil, o.Now)
	return c, nil
}
