// Package mmdb makes databases of countries for tests.
package mmdb

import (
	"bytes"
	"fmt"
	"net"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Network is a network of a database, and what the database says of it.
type Network struct {
	Prefix string
	Record mmdbtype.DataType
}

// In is a network that is used in a country; "" is not known.
func In(prefix, code string) Network { return Network{prefix, Record(code, "")} }

// Record is what GeoLite2-Country says of a network that is used in one country and registered in another; "" is not known.
func Record(used, registered string) mmdbtype.Map {
	m := mmdbtype.Map{"continent": mmdbtype.Map{"code": mmdbtype.String("EU"), "geoname_id": mmdbtype.Uint32(7)}}
	for key, code := range map[string]string{"country": used, "registered_country": registered} {
		if code != "" {
			m[mmdbtype.String(key)] = mmdbtype.Map{
				"geoname_id": mmdbtype.Uint32(1), "iso_code": mmdbtype.String(code),
				"names": mmdbtype.Map{"de": mmdbtype.String("Land"), "en": mmdbtype.String("Country")},
			}
		}
	}
	return m
}

// Countries is a database of both families, as they are shipped.
func Countries(built time.Time, all ...Network) ([]byte, error) {
	return Database(mmdbwriter.Options{BuildEpoch: built.Unix(), DatabaseType: "Test-Country"}, all...)
}

// Database is one of another kind. Networks that are reserved for examples are as good as others.
func Database(o mmdbwriter.Options, all ...Network) ([]byte, error) {
	o.IncludeReservedNetworks = true
	w, err := mmdbwriter.New(o)
	if err != nil {
		return nil, fmt.Errorf("make database: %w", err)
	}
	for _, n := range all {
		_, where, err := net.ParseCIDR(n.Prefix)
		if err == nil {
			err = w.Insert(where, n.Record)
		}
		if err != nil {
			return nil, fmt.Errorf("insert %s: %w", n.Prefix, err)
		}
	}
	var out bytes.Buffer
	if _, err := w.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("write database: %w", err)
	}
	return out.Bytes(), nil
}
