package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"pfw/config"
)

// trialFile is the file in the state directory that holds a trial while it lasts.
const trialFile = "trial.json"

func (d *Daemon) trialPath() string { return filepath.Join(d.o.StateDir, trialFile) }

func (d *Daemon) saveTrial(t *trial) error { return saveJSON(d.trialPath(), t) }

func (d *Daemon) forgetTrial() {
	if err := removeFile(d.trialPath()); err != nil {
		d.log.Warn("the trial is over; a restart would go on with it", "error", err)
	}
}

// resumeTrial takes up a trial that an earlier process began and that has time left on this run of the kernel. over is why
// one is not gone on with, "" where there was none.
func resumeTrial(o Options, now instant) (l *loaded, over string) {
	text, err := os.ReadFile(filepath.Join(o.StateDir, trialFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ""
	}
	var t trial
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	switch {
	case err != nil:
		return nil, fmt.Sprintf("a trial is over, as its file cannot be read (%v)", err)
	case t.Term.Boot != now.boot:
		return nil, "a trial was not confirmed before the machine was started anew"
	case t.Term.left(now) <= 0:
		return nil, "a trial was not confirmed in time"
	}
	if l, err = loadFile(o.Config, config.Options{Now: now.wall, Text: &t.Text, Kept: o.kept, Cache: cacheOf(o.StateDir)}); err != nil {
		return nil, "a trial is over, as it is not valid any more: " + brief(err)
	}
	t.snapshot, l.snapshot, l.trial = l.snapshot, nil, &t
	return l, ""
}

// tellResumed says what became of a trial that an earlier process began.
func (d *Daemon) tellResumed(first *loaded) {
	switch over := first.over; {
	case first.trial != nil:
		d.log.Warn("a policy is still on trial; unless it is confirmed, the policy of before is in force again in time",
			"until", first.trial.Term.end(d.now()).Format(time.TimeOnly))
	case over != "":
		d.log.Warn(over + "; the rule file is in force")
		d.audit.Append(d.reloadEntry(over + ": " + d.force.Load().text()))
		d.faults.hold(unconfirmed, tamperShown, over+", and the rule file is in force", "pfw try tries it again; pfw confirm, in time, keeps it")
		d.forgetTrial()
	}
}

// sumOf tells a rule file's contents apart from others, "" where there is none in its place.
func sumOf(path string) string {
	text, err := config.Disk().ReadBeneath(path, []string{filepath.Dir(path)})
	if err != nil {
		return ""
	}
	return sumOfText(string(text))
}

func sumOfText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
