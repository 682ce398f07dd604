package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pfw/config/policy"
	"pfw/e2e/mmdb"
)

const geoip = "[geoip]\ndatabase = \"countries.mmdb\"\n"

// countriesOf is a database as it is shipped.
func countriesOf(t testing.TB, built time.Time, all ...mmdb.Network) string {
	t.Helper()
	data, err := mmdb.Countries(built, all...)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// small is a database with two countries of both families.
func small(t testing.TB) string {
	return countriesOf(t, now.Add(-24*time.Hour), mmdb.In("192.0.2.0/24", "CN"), mmdb.In("192.0.3.0/25", "CN"), mmdb.In("2001:db8::/32", "CN"),
		mmdb.In("198.51.100.0/24", "DE"))
}

func hinted(p Problem) string {
	if p.Hint == "" {
		return ""
	}
	return " (" + p.Hint + ")"
}

const databaseFile = "/etc/pfw/countries.mmdb"

func blocks(remote string) string { return inRule("in", "remote = "+remote) }

func TestARuleNamesCountries(t *testing.T) {
	c := load(t, geoip+blocks(`["country:CN", "203.0.113.5", "!192.0.2.7"]`), databaseFile, small(t))
	remote := c.Policy.Rules()[0].Scope.(policy.Inbound).Remote
	for address, want := range map[string]bool{
		"192.0.2.1": true, "192.0.2.200": true, "192.0.2.7": false, "2001:db8::7": true, "198.51.100.1": false, "203.0.113.5": true,
		// Addresses that wrap one of China.
		"2002:c000:201::1": false, "64:ff9b::c000:201": false,
	} {
		if got := remote.Set().Contains(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s matches: %t", address, got)
		}
	}
	if got := remote.String(); got != "country:CN,203.0.113.5,!192.0.2.7" {
		t.Errorf("the rule says %s", got)
	}
	if len(c.Warnings) > 0 || len(c.Lists) != 1 {
		t.Fatalf("warnings %v, lists %v", c.Warnings, c.Lists)
	}
	l := c.Lists[0]
	if l.Name != "country:CN" || l.Source != databaseFile || l.Entries != 3 || l.Ranges != 2 || !l.Built.Equal(now.Add(-24*time.Hour)) ||
		!slices.Equal(l.Rules, []policy.Name{"a"}) {
		t.Errorf("the list is %+v", l)
	}
}

func TestAllButACountry(t *testing.T) {
	c := load(t, geoip+inRule("forward", `from = "!country:CN"`+"\nto = [\"country:DE\", \"country:CN\"]")+"[default]\nforward = \"block\"\n", databaseFile, small(t))
	r := c.Policy.Rules()[0].Scope.(policy.Forwarded)
	if r.From.Set().Contains(netip.MustParseAddr("192.0.2.1")) || !r.From.Set().Contains(netip.MustParseAddr("2a00::1")) {
		t.Errorf("from is %v", r.From)
	}
	if !r.To.Set().Contains(netip.MustParseAddr("192.0.2.1")) || !r.To.Set().Contains(netip.MustParseAddr("198.51.100.1")) {
		t.Errorf("to is %v", r.To)
	}
}

func TestACountryIsNeverBanned(t *testing.T) {
	c := load(t, geoip+"[ban]\nnever = [\"country:DE\"]\n", databaseFile, small(t))
	if never := c.Policy.Bans().Never; !never.Contains(netip.MustParseAddr("198.51.100.1")) || never.Contains(netip.MustParseAddr("192.0.2.1")) {
		t.Errorf("never banned are %d ranges", never.Len(policy.IPv4))
	}
}

func TestMistakesWithCountries(t *testing.T) {
	good := small(t)
	for _, c := range []struct{ name, text, database, want string }{
		{"no geoip", blocks(`"country:CN"`), good, `:5:10: rule "a": remote: "country:CN" needs a database of countries (add [geoip] with database = "/usr/share/GeoIP/GeoLite2-Country.mmdb")`},
		{"small letters", geoip + blocks(`"country:cn"`), good, `:7:10: rule "a": remote: "country:cn" is no country: its two letters are capitals (did you mean "country:CN"?)`},
		{"another code", geoip + blocks(`["10.0.0.1", "country:UK"]`), good, `:7:23: rule "a": remote: "country:UK": no country has these letters (did you mean "country:GB"?)`},
		{"no code", geoip + blocks(`"!country:QX"`), good, `:7:10: rule "a": remote: "country:QX": no country has these letters (its letters are those of ISO 3166-1)`},
		{"a name", geoip + blocks(`"country:China"`), good, `:7:10: rule "a": remote: "country:China" is no country (write its two letters, as in "country:DE")`},
		{"no database", geoip + blocks(`"country:CN"`), "", `:2:12: [geoip] database: /etc/pfw/countries.mmdb does not exist (a path is relative to the file that names it)`},
		{"no MaxMind DB", geoip + blocks(`"country:CN"`), "192.0.2.0/24\n", `:2:12: [geoip] database: /etc/pfw/countries.mmdb is no MaxMind DB, or damaged: `},
		{"cut off", geoip + blocks(`"country:CN"`), good[:len(good)-30], `:2:12: [geoip] database: /etc/pfw/countries.mmdb is no MaxMind DB, or damaged: `},
		{"elsewhere", "[geoip]\ndatabase = \"/etc/shadow\"\n" + blocks(`"country:CN"`), good, `:2:12: [geoip] database: /etc/shadow lies outside of the directories that pfw reads (put it beneath /etc/pfw, /var/lib/pfw, /usr/share)`},
		{"no key", "[geoip]\n" + blocks(`"country:CN"`), good, `:1:1: [geoip] database: the key "database" is missing (add database = "/usr/share/GeoIP/GeoLite2-Country.mmdb")`},
		{"another key", "[geoip]\ndatabse = \"countries.mmdb\"\n", good, `:2:1: [geoip] databse: unknown key "databse" (did you mean "database"?)`},
		{"in a list", "[list.x]\nentries = [\"country:CN\"]\n", good, `:2:12: [list.x] entries: "country:CN": a list has no countries (name it in the rule: remote = "country:CN")`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var more []string
			if c.database != "" {
				more = []string{databaseFile, c.database}
			}
			all := refused(t, c.text, more...).All()
			var got []string
			for _, p := range all {
				got = append(got, p.String()+hinted(p))
			}
			if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, rootFile+c.want) }) {
				t.Errorf("got  %s\nwant %s%s", strings.Join(got, "\n     "), rootFile, c.want)
			}
			// One mistake is one error: a rule is not at fault where the database is.
			if len(got) > 1 && c.name != "another key" {
				t.Errorf("%d errors: %q", len(got), got)
			}
		})
	}
}

func TestGeoipBelongsInFirewallToml(t *testing.T) {
	bad := refused(t, "", "/etc/pfw/firewall.d/a.toml", geoip)
	if got := bad.Error(); !strings.Contains(got, "[geoip] belongs in firewall.toml") {
		t.Errorf("got %s", got)
	}
}

func TestWarningsOfCountries(t *testing.T) {
	old := countriesOf(t, now.Add(-75*24*time.Hour), mmdb.In("192.0.2.0/24", "CN"))
	c := load(t, geoip+blocks(`["country:CN", "country:BV"]`), databaseFile, old)
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.String()+hinted(w))
	}
	want := []string{
		rootFile + `:2:12: [geoip] database: ` + databaseFile + ` was built on 2026-09-07, 75 days ago (geoipupdate, or who else brings it, should bring a new one)`,
		rootFile + `:7:25: rule "a": remote: "country:BV" matches nothing: ` + databaseFile + ` has no address of it`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// countriesOnDisk writes a rule file that names a country, and gives how to load it.
func countriesOnDisk(t *testing.T) (database string, load func(k *Kept) *Config) {
	t.Helper()
	dir, load := onDisk(t, map[string]string{"firewall.toml": geoip + blocks(`"country:CN"`), "countries.mmdb": small(t)})
	return filepath.Join(dir, "countries.mmdb"), load
}

func TestADatabaseIsReadAgainWhereItChanged(t *testing.T) {
	database, load := countriesOnDisk(t)
	time.Sleep(200 * time.Millisecond) // beyond the tick of the kernel's clock
	kept := new(Kept)
	first := load(kept)
	kept.Take(first)
	same := load(kept)
	kept.Take(same)
	if first.Lists[0].Set != same.Lists[0].Set {
		t.Error("a database that did not change was read again")
	}
	put(t, database, countriesOf(t, now, mmdb.In("203.0.113.0/24", "CN")))
	if changed := load(kept); changed.Lists[0].Entries != 1 || !changed.Lists[0].Set.Contains(netip.MustParseAddr("203.0.113.1")) {
		t.Errorf("after the change the list is %+v", changed.Lists[0])
	}
	put(t, filepath.Join(filepath.Dir(database), "firewall.toml"), geoip+blocks(`"country:DE"`))
	put(t, database, small(t))
	if other := load(kept); other.Lists[0].Name != "country:DE" || other.Lists[0].Entries != 1 {
		t.Errorf("another country: %+v", other.Lists[0])
	}
}

func TestASnapshotHoldsTheCountriesAndNotTheDatabase(t *testing.T) {
	database, load := countriesOnDisk(t)
	c := load(nil)
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and the snapshot of a snapshot
		again := savedAndRead(t, c)
		was, is := c.Lists[0], again.Lists[0]
		if is.Entries != was.Entries || is.Set.Digest(policy.IPv4) != was.Set.Digest(policy.IPv4) || is.Set.Digest(policy.IPv6) != was.Set.Digest(policy.IPv6) || !is.Built.Equal(was.Built) {
			t.Errorf("got %+v, want %+v", is, was)
		}
		c = again
	}
}

// When a list was fetched, the rule files are read again as they were, and the countries are as they were.
func TestCountriesStandWhileListsAreFetched(t *testing.T) {
	database, _ := countriesOnDisk(t)
	dir := filepath.Dir(database)
	root := filepath.Join(dir, "firewall.toml")
	put(t, root, geoip+"[list.feed]\nurl = \"https://example.org/list\"\n"+blocks(`["country:CN", "@feed"]`))
	c, err := Load(root, Options{Now: now, Cache: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	fetched := filepath.Join(dir, "fetched")
	put(t, fetched, "203.0.113.7\n")
	for range 2 {
		if c, err = Load(root, Options{Now: now, Cache: dir, Again: c.Standing, Fresh: map[string]string{CopyOf(dir, "feed", "https://example.org/list"): fetched}}); err != nil {
			t.Fatal(err)
		}
		remote := c.Policy.Rules()[0].Scope.(policy.Inbound).Remote.Set()
		if !remote.Contains(netip.MustParseAddr("203.0.113.7")) || !remote.Contains(netip.MustParseAddr("192.0.2.7")) {
			t.Errorf("the rule matches %d ranges, without the list or the country", remote.Len(policy.IPv4))
		}
	}
}

// All countries of a database with 200,000 networks.
func BenchmarkCountries(b *testing.B) {
	var all []mmdb.Network
	for i := range 200_000 {
		all = append(all, mmdb.In(fmt.Sprintf("%d.%d.%d.0/24", 20+i>>16, i>>8&255, i&255), []string{"CN", "DE", "US"}[i%3]))
	}
	dir := b.TempDir()
	root := filepath.Join(dir, "firewall.toml")
	for path, text := range map[string]string{root: geoip + blocks(`["country:CN", "country:DE"]`), filepath.Join(dir, "countries.mmdb"): countriesOf(b, now, all...)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(root, Options{Now: now}); err != nil {
			b.Fatal(err)
		}
	}
}
