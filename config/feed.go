package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pfw/config/policy"
)

// Feed is how a list is fetched from the net. Somebody else does that, who leaves copies in a directory: the cache.
type Feed struct {
	// URL may hold secrets; the list's Source is what may be shown.
	URL string
	// Insecure says that it may be fetched over http, which anybody on the way can change.
	Insecure bool
	// Refresh is how often it is to be fetched.
	Refresh time.Duration
	// Missing says that there is no copy that can be read: the list is empty.
	Missing bool
}

const (
	// usualRefresh is a day: what most lists of the net change in, and what none of their keepers minds.
	usualRefresh = 24 * time.Hour
	// oftenRefresh is how often the timer looks for what is due.
	oftenRefresh = 15 * time.Minute
	mostRefresh  = 366 * 24 * time.Hour
	// longestURL is in bytes; servers take no longer ones.
	longestURL = 4096
)

// CopyOf is the path of the copy of a list in a cache. What was fetched from one URL is no copy of what is at another.
func CopyOf(cache, list, url string) string {
	sum := sha256.Sum256([]byte(url))
	return filepath.Join(cache, list+"."+hex.EncodeToString(sum[:4]))
}

func refreshHint(list string) string { return "pfw lists refresh " + list + " fetches it" }

// readFeed reads a list of which the rule file gives the URL.
func (l *lists) readFeed(r *reader, name, address string, at *value) *List {
	feed := &Feed{URL: address, Insecure: r.flag("insecure", false), Refresh: r.refresh()}
	u, w := parseURL(address, feed.Insecure)
	if w != nil {
		r.fail("url", at.at, w)
		return nil
	}
	list := l.readCopy(r, name, at, feed)
	if list != nil {
		list.Source, list.Feed = shownURL(u), feed
	}
	return list
}

// readCopy reads what was fetched last. Where that cannot be read the list is empty, as no list from the net may keep a
// policy from coming into force; only a copy that is to be judged is an error.
func (l *lists) readCopy(r *reader, name string, at *value, feed *Feed) *List {
	key := CopyOf(l.cache, name, feed.URL)
	path, fresh := l.fresh[key]
	if list := l.again.list(name); list != nil && !list.Feed.Missing && !fresh && l.fresh != nil {
		// It is another that was fetched. This one is in force, whatever became of its copy.
		return r.remarked("url", at, "", list)
	}
	if !fresh {
		path = key
	}
	lacks := func(w *fault) *List {
		if fresh {
			r.fail("url", at.at, w)
			return nil
		}
		feed.Missing = true
		r.warn("url", at.at, w)
		return &List{Set: new(policy.AddressSet)}
	}
	text, set, w, err := l.copied(path, key)
	switch {
	case w == nil && err == nil:
		if w = text.garbage(l.control); w == nil {
			w = allOf(set)
		}
	case errors.Is(err, fs.ErrNotExist):
		return lacks(wrong(refreshHint(name), "the list was never fetched, so it is empty"))
	case errors.Is(err, fs.ErrPermission):
		return lacks(wrong("become root, or a member of group pfw", "the copy of the list may not be read here, so it counts as empty"))
	case err != nil:
		w = wrong("", "%s", printable(err.Error()))
	}
	if w != nil && !fresh {
		w = wrong(w.hint, "what was fetched is no list, so it is empty: %s", w.message)
	}
	if w != nil {
		return lacks(w)
	}
	return r.remarked("url", at, "", text.list("", set))
}

// allOf says that a list holds everybody: a mistake of who keeps it, which would let all in or shut all out.
func allOf(set *policy.AddressSet) *fault {
	for _, f := range policy.Families {
		if set.All(f) {
			return wrong("", "it holds every address of %s", f)
		}
	}
	return nil
}

// copied reads a copy; key is the path that it has, or will have, in the cache.
func (l *lists) copied(path, key string) (*listText, *policy.AddressSet, *fault, error) {
	if l.cache == "" {
		return nil, nil, nil, fs.ErrNotExist
	}
	if _, err := os.Stat(l.cache); err != nil {
		return nil, nil, nil, err
	}
	f, err := regular(openBeneath(path, []string{l.cache}, unwaiting))
	if err != nil {
		return nil, nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, nil, err
	}
	id, _ := identify(info)
	// Copies are replaced and never changed, and a copy that takes its place in the cache is renamed.
	id.changed = 0
	x, there := l.kept.find(key, id)
	if !there {
		text, w, err := scanList(f, path, info.Size())
		if w != nil || err != nil {
			return nil, nil, w, err
		}
		x = keptList{id, text, text.builder.Set()}
	}
	if info.Size() >= longFile {
		l.long[key] = x
	}
	return x.text, x.set, nil, nil
}

// parseURL reads the address of a list.
func parseURL(s string, insecure bool) (*url.URL, *fault) {
	const form = `write "https://HOST/PATH"`
	u, err := url.Parse(s)
	switch {
	case s == "":
		return nil, wrong(form, "the URL is empty")
	case len(s) > longestURL:
		return nil, wrong("", "the URL has more than %d characters", longestURL)
	case err != nil:
		var why *url.Error
		if errors.As(err, &why) {
			err = why.Err // without the whole URL again, which may hold secrets
		}
		return nil, wrong(form, "the URL cannot be read: %s", printable(err.Error()))
	case u.Scheme == "":
		return nil, wrong(form, "%q has no https:// before it", s)
	case u.Scheme == "file":
		return nil, wrong(fmt.Sprintf("write file = %q in place of url", u.Path), "a list on this machine is not fetched")
	case u.Scheme == "http" && !insecure:
		return nil, wrong("write https://, or add insecure = true",
			"over http anybody on the way can change the list, and so who is let in and who is not")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, wrong("lists are fetched over https", "unknown scheme %q", u.Scheme)
	case u.Opaque != "" || u.Hostname() == "":
		return nil, wrong(form, "%q names no host", s)
	case u.Fragment != "":
		return nil, wrong("leave out what follows the #", "a part of a page is no list")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, wrong("a port is 1 to 65535", "%q is no port", port)
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return nil, wrong("leave the colon out, or name a port", "%q has a colon and no port after it", u.Host)
	}
	return u, nil
}

// shownURL is a URL without what may be secret in it.
func shownURL(u *url.URL) string {
	out := *u
	out.User, out.RawQuery, out.ForceQuery = nil, "", false
	text := out.String()
	if u.RawQuery != "" {
		text += "?…"
	}
	return printable(text)
}

// refresh reads how often a list is to be fetched.
func (r *reader) refresh() time.Duration {
	text, v, ok := r.text("refresh", "a duration")
	if !ok {
		return usualRefresh
	}
	const form = `write "6h", "30m" or "1d"`
	d, known := parseDays24(text)
	switch {
	case !known:
		r.fail("refresh", v.at, wrong(form, "%q is no duration", text))
	case d <= 0:
		r.fail("refresh", v.at, wrong(form, "a list cannot be fetched all the time"))
	case d > mostRefresh:
		r.fail("refresh", v.at, wrong(form, "%q is more than a year", text))
	case d < oftenRefresh:
		r.warn("refresh", v.at, wrong("many who offer lists refuse who asks too often", "the timer looks every 15 minutes for what is due, not more often"))
	}
	return d
}

// parseDays24 reads "90s", "15m", "6h", and "2d" for two times 24 hours.
func parseDays24(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok && digits(days) {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}
