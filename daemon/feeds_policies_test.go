package daemon

import (
	"strings"
	"testing"

	"pfw/e2e/hosts"
)

func TestLastGoodPolicyHasItsListsFromTheNet(t *testing.T) {
	d, remote, web := fed(t, feedFile, "192.0.2.7\n")
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	edit(t, d, bad)
	start(t, d)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed gets in")
	}
	// It goes on being refreshed.
	web.gives("198.51.100.7\n")
	refreshes(t, d)
	if !connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed no more does not get in")
	}
}

func TestATrialGoesBackToTheListsOfNow(t *testing.T) {
	d, remote, web := fed(t, feedFile, "198.51.100.7\n")
	pfw(t, d, "try", candidate(t, d, feedFile+rule("more", "allow", "in", 81)))
	web.gives("192.0.2.7\n")
	refreshes(t, d)
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed gets in during a trial")
	}
	pfw(t, d, "revert")
	if connects(t, remote, "192.0.2.10:80") {
		t.Error("what is listed gets in after it")
	}
	// One with which it could not go back is not taken.
	edit(t, d, feedFile+"[[expect]]\npacket = \"in tcp 203.0.113.5 -> :80\"\nverdict = \"allow\"\n")
	reload(t, d)
	pfw(t, d, "try", candidate(t, d, feedFile))
	web.gives("192.0.2.7\n203.0.113.0/24\n")
	fails(t, d, `want allow, got block by rule "feed"`)
	pfw(t, d, "revert")
	if n := len(statusOf(t, d).Lists); n != 1 {
		t.Errorf("%d lists", n)
	}
}

// An expectation that only a list could fulfil must not keep a machine without rules because a server cannot be reached.
func TestExpectationsOfAListThatWasNeverFetchedAreNotJudged(t *testing.T) {
	local := hosts.New(t, "local")
	d := hosts.Run(t, local, feedFile+"[[expect]]\npacket = \"in tcp 203.0.113.5 -> :80\"\nverdict = \"block\"\n")
	// It says so once it is ready.
	eventually(t, "warned", limit, func() bool { return strings.Contains(stderr(t, d), "not judged, as list @feed was never fetched") })
	// Others are.
	edit(t, d, feedFile+"[[expect]]\npacket = \"in tcp 203.0.113.5 -> :81\"\nverdict = \"allow\"\n")
	if err := d.Reload(); hosts.ExitCode(err) != 5 {
		t.Errorf("got %v", err)
	}
}

// A list is what its URL gives, and no copy of what another gave.
func TestAnotherURLIsAnotherList(t *testing.T) {
	local := hosts.New(t, "local")
	web := serveLists(t, local)
	web.gives("192.0.2.7\n")
	at := strings.Replace(feedFile, "192.0.2.10", "127.0.0.1", 1)
	d := hosts.Run(t, local, at)
	refreshes(t, d)
	edit(t, d, strings.Replace(at, "/feed", "/other", 1))
	reload(t, d)
	if l := feedOf(t, d); l.Entries != 0 || l.Updated != nil {
		t.Errorf("%+v", l)
	}
	edit(t, d, at)
	reload(t, d)
	if l := feedOf(t, d); l.Entries != 1 || l.Updated == nil {
		t.Errorf("back again: %+v", l)
	}
}
