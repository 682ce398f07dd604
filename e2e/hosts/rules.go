package hosts

import (
	"encoding/json"
	"fmt"
)

// Rules is what `pfw rules --all --json` says of the counters, as a reader
// outside the project sees it.
type Rules struct {
	Rules []struct {
		Name    string `json:"name"`
		Packets uint64 `json:"packets"`
		Bytes   uint64 `json:"bytes"`
	} `json:"rules"`
	Default []struct {
		Direction string `json:"direction"`
		Action    string `json:"action"`
		Packets   uint64 `json:"packets"`
	} `json:"default"`
	Always []struct {
		Name    string `json:"name"`
		Packets uint64 `json:"packets"`
	} `json:"always"`
}

// Packets is how many packets each decided: by the name of a rule or of what is
// always in force, and by "default in", "default out", "default forward".
func (r Rules) Packets() map[string]uint64 {
	all := map[string]uint64{}
	for _, x := range r.Always {
		all[x.Name] = x.Packets
	}
	for _, x := range r.Default {
		all["default "+x.Direction] = x.Packets
	}
	for _, x := range r.Rules {
		all[x.Name] = x.Packets
	}
	return all
}

// Rules asks pfwd for its rules and what is always in force, with counters.
func (d *Daemon) Rules() (Rules, error) {
	var r Rules
	out, err := d.Pfw("rules", "--all", "--json")
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return r, fmt.Errorf("read rules: %w: %s", err, out)
	}
	return r, nil
}
