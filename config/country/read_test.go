package country

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"

	"pfw/config/policy"
	"pfw/e2e/mmdb"
)

var built = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func database(t testing.TB, o mmdbwriter.Options, all ...mmdb.Network) []byte {
	t.Helper()
	o.DatabaseType, o.BuildEpoch = "Test-Country", built.Unix()
	data, err := mmdb.Database(o, all...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func ranges(s *policy.AddressSet) string {
	var out []string
	for _, f := range policy.Families {
		for r := range s.Ranges(f) {
			if p, ok := r.Prefix(); ok {
				out = append(out, p.String())
			} else {
				out = append(out, r.First.String()+"-"+r.Last.String())
			}
		}
	}
	return strings.Join(out, " ")
}

func TestReadGivesEachCountrysNetworksPutTogether(t *testing.T) {
	for _, size := range []int{24, 28, 32} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			d, err := Read(database(t, mmdbwriter.Options{RecordSize: size},
				mmdb.Network{Prefix: "192.0.2.0/25", Record: mmdb.Record("CN", "US")}, mmdb.Network{Prefix: "192.0.2.128/25", Record: mmdb.Record("CN", "DE")}, mmdb.Network{Prefix: "192.0.3.0/24", Record: mmdb.Record("DE", "CN")},
				mmdb.Network{Prefix: "198.51.100.0/24", Record: mmdb.Record("", "CN")}, mmdb.In("203.0.113.0/24", ""),
				mmdb.Network{Prefix: "2001:db8::/33", Record: mmdb.Record("CN", "CN")}, mmdb.In("2001:db8:8000::/34", "CN"), mmdb.Network{Prefix: "2a00::/12", Record: mmdb.Record("DE", "DE")},
			), []Code{"CN", "FR"})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := ranges(d.Countries["CN"].Set), "192.0.2.0/24 198.51.100.0/24 2001:db8::-2001:db8:bfff:ffff:ffff:ffff:ffff:ffff"; got != want {
				t.Errorf("CN is %s, want %s", got, want)
			}
			if fr, asked := d.Countries["FR"]; !asked || ranges(fr.Set) != "" || fr.Networks != 0 {
				t.Errorf("FR is %v", fr)
			}
			if _, asked := d.Countries["DE"]; asked || !slices.Equal(d.Named, []Code{"CN", "DE"}) {
				t.Errorf("it has %v and names %s", slices.Collect(maps.Keys(d.Countries)), d.Named)
			}
			if d.Countries["CN"].Networks != 5 || !d.Built.Equal(built) || d.Type != "Test-Country" || d.Only4 {
				t.Errorf("read %+v", d)
			}
		})
	}
}

// A database for both families leads to the IPv4 addresses in several ways: as themselves, and wrapped in IPv6.
func TestIPv4AddressesAreNotTakenForIPv6(t *testing.T) {
	d, err := Read(database(t, mmdbwriter.Options{}, mmdb.In("1.0.0.0/8", "CN"), mmdb.In("2a00::/16", "CN")), []Code{"CN"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ranges(d.Countries["CN"].Set), "1.0.0.0/8 2a00::/16"; got != want || d.Countries["CN"].Networks != 2 {
		t.Errorf("got %s in %d networks, want %s", got, d.Countries["CN"].Networks, want)
	}
}

func TestADatabaseOfIPv4Only(t *testing.T) {
	d, err := Read(database(t, mmdbwriter.Options{IPVersion: 4}, mmdb.In("1.0.0.0/8", "CN"), mmdb.In("255.255.255.255/32", "CN")), []Code{"CN"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ranges(d.Countries["CN"].Set), "1.0.0.0/8 255.255.255.255/32"; got != want || !d.Only4 {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestADatabaseThatSaysTheSameOfAll(t *testing.T) {
	for prefix, want := range map[string]string{
		"::/0":        "0.0.0.0/0 ::/0",
		"::/64":       "0.0.0.0/0 ::/64",
		"::/96":       "0.0.0.0/0",
		"0.0.0.0/0":   "0.0.0.0/0",
		"128.0.0.0/1": "128.0.0.0/1",
		"8000::/1":    "8000::/1",
	} {
		d, err := Read(database(t, mmdbwriter.Options{DisableIPv4Aliasing: true}, mmdb.In(prefix, "CN")), []Code{"CN"})
		if err != nil {
			t.Fatal(err)
		}
		if got := ranges(d.Countries["CN"].Set); got != want {
			t.Errorf("%s: got %s, want %s", prefix, got, want)
		}
	}
}

func TestWhatIsNoDatabaseOfCountriesIsRefused(t *testing.T) {
	good := database(t, mmdbwriter.Options{}, mmdb.In("192.0.2.0/24", "CN"))
	networks := mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500)}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":            {nil, "is no MaxMind DB, or damaged"},
		"text":               {[]byte("192.0.2.0/24\n"), "is no MaxMind DB, or damaged"},
		"cut off":            {good[:len(good)/2], "is no MaxMind DB, or damaged"},
		"its beginning gone": {good[500:], "damaged"},
		"another kind":       {database(t, mmdbwriter.Options{}, mmdb.Network{Prefix: "192.0.2.0/24", Record: networks}), `names no country: its type is "Test-Country"`},
		"another shape":      {database(t, mmdbwriter.Options{}, mmdb.Network{Prefix: "192.0.2.0/24", Record: mmdbtype.Map{"country": mmdbtype.String("China")}}), `names no country: its type is "Test-Country"`},
		"empty":              {database(t, mmdbwriter.Options{}), "names no country"},
	} {
		if _, err := Read(c.data, []Code{"CN"}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// A node that both records of the node before it name, 96 times over, is a tree with more networks than there is time.
func TestATreeThatDoesNotEndIsRefused(t *testing.T) {
	good := database(t, mmdbwriter.Options{DisableIPv4Aliasing: true}, mmdb.In("2a00::/128", "CN"))
	const nodes = 100
	circle := slices.Clone(good)
	for i := range nodes {
		for _, record := range [][]byte{circle[6*i:][:3], circle[6*i+3:][:3]} {
			record[0], record[1], record[2] = 0, 0, byte((i+1)%nodes)
		}
	}
	began := time.Now()
	if _, err := Read(circle, []Code{"CN"}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(began); d > mostTime {
		t.Errorf("took %v", d)
	}
}

func TestAnAddressIsWhereTheLibraryFindsIt(t *testing.T) {
	var all []mmdb.Network
	var asked []netip.Addr
	codes := []Code{"CN", "DE", "US"}
	for i := range 2000 {
		four := netip.AddrFrom4([4]byte{byte(20 + i%180), byte(i * 7), byte(i * 13), 0})
		six := netip.AddrFrom16([16]byte{0x24, byte(i), byte(i * 7), byte(i >> 3)})
		code := string(codes[i%3])
		all = append(all, mmdb.In(netip.PrefixFrom(four, 20+i%5).Masked().String(), code), mmdb.In(netip.PrefixFrom(six, 20+i%40).Masked().String(), code))
		asked = append(asked, four, four.Next(), six, six.Prev())
	}
	data := database(t, mmdbwriter.Options{RecordSize: 28}, all...)
	d, err := Read(data, codes)
	if err != nil {
		t.Fatal(err)
	}
	library, err := maxminddb.OpenBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range asked {
		var want string
		if err := library.Lookup(a).DecodePath(&want, "country", "iso_code"); err != nil {
			t.Fatal(err)
		}
		for _, code := range codes {
			if got := d.Countries[code].Set.Contains(a); got != (string(code) == want) {
				t.Errorf("%s is in %s: %t, and the library finds it in %q", a, code, got, want)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, size := range []int{24, 28, 32} {
		f.Add(database(f, mmdbwriter.Options{RecordSize: size}, mmdb.Network{Prefix: "192.0.2.0/24", Record: mmdb.Record("CN", "US")}, mmdb.Network{Prefix: "2a00::/12", Record: mmdb.Record("", "DE")}))
	}
	f.Add(database(f, mmdbwriter.Options{IPVersion: 4}, mmdb.Network{Prefix: "192.0.2.0/24", Record: mmdb.Record("CN", "US")}))
	f.Add([]byte("{\"pfw\":\"countries\",\"networks\":{\"CN\":1,\"DE\":0}}\nCN 192.0.2.0/24\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Read(data, []Code{"CN", "DE"})
		if err == nil && len(d.Countries) != 2 {
			t.Errorf("read %+v", d)
		}
	})
}

func TestWhatWasSavedIsReadAsItWas(t *testing.T) {
	d, err := Read(database(t, mmdbwriter.Options{}, mmdb.In("192.0.2.0/25", "CN"), mmdb.In("192.0.2.128/26", "CN"), mmdb.In("2a00::/12", "CN"),
		mmdb.In("203.0.113.0/24", "DE")), []Code{"CN", "FR"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := d.Save()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read(data, []Code{"CN"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ranges(again.Countries["CN"].Set), ranges(d.Countries["CN"].Set); got != want || again.Countries["CN"].Networks != 3 {
		t.Errorf("got %s, want %s", got, want)
	}
	if !again.Built.Equal(built) || again.Type != d.Type || !slices.Equal(again.Named, d.Named) {
		t.Errorf("got %+v, want %+v", again, d)
	}
	if _, err := Read(data, []Code{"DE"}); err == nil || !strings.Contains(err.Error(), "it lacks DE") {
		t.Errorf("a country that was not saved: %v", err)
	}
}
