package daemon

import (
	"fmt"
	"time"

	"pfw/config"
)

// watchCountries notices that the database of countries in force has become old.
func (d *Daemon) watchCountries() {
	for _, l := range d.force.Load().lists {
		if l.Built.IsZero() || time.Since(l.Built) <= config.StaleTime {
			continue
		}
		d.faults.set(staleCountries, fmt.Sprintf("countries are as of %s: %s is old", l.Built.UTC().Format(time.DateOnly), l.Source),
			"bring a new one, as geoipupdate does, then pfw reload")
		return
	}
	d.faults.clear(staleCountries)
}
