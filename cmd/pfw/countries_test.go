package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"pfw/e2e/mmdb"
)

// countries puts a database of countries beside the rule file, as the program that brings new ones does.
func countries(ts *testscript.TestScript, negative bool, args []string) {
	s := sceneOf(ts, negative, args, 2, "countries DAYS-AGO NETWORK=CODE...")
	days, err := strconv.Atoi(args[0])
	ts.Check(err)
	var all []mmdb.Network
	for _, arg := range args[1:] {
		prefix, code, _ := strings.Cut(arg, "=")
		all = append(all, mmdb.In(prefix, code))
	}
	data, err := mmdb.Countries(time.Now().AddDate(0, 0, -days), all...)
	ts.Check(err)
	path := filepath.Join(filepath.Dir(s.daemon.Config), "countries.mmdb")
	ts.Check(os.WriteFile(path+".new", data, 0o644))
	ts.Check(os.Rename(path+".new", path))
}
