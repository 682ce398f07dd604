package config

import (
	"fmt"
	"strings"
	"time"

	"pfw/config/policy"
)

// packetFacts are the words that introduce a fact after the ends of a packet.
var packetFacts = []string{"on", "from", "to", "user", "group", "unit", "app", "at"}

// facts reads what stands after the ends.
func (p *packetReader) facts() *fault {
	seen := map[string]bool{}
	for {
		word, ok := p.next()
		if !ok {
			return nil
		}
		if seen[word] {
			return wrong("", "the packet has %q twice", word)
		}
		seen[word] = true
		if w := p.fact(word); w != nil {
			return w
		}
	}
}

func (p *packetReader) fact(word string) *fault {
	f := &p.flow
	if w := p.misplaced(word); w != nil {
		return w
	}
	switch word {
	case "on", "from", "to":
		name, w := p.argument(word, "an interface")
		if w != nil {
			return w
		}
		i, err := policy.ParseInterface(name)
		if err != nil {
			return wrong("", "%s", err)
		}
		if _, prefix := i.Name(); prefix {
			return wrong("a packet is on one interface", "%q names several interfaces", name)
		}
		if word == "from" || word == "on" && f.Direction == policy.In {
			f.InInterface = policy.Known(name)
		} else {
			f.OutInterface = policy.Known(name)
		}
	case "user", "group":
		find, field := p.names.user, &f.User
		if word == "group" {
			find, field = p.names.group, &f.Group
		}
		name, w := p.argument(word, "a name or number")
		if w != nil {
			return w
		}
		a, w := parseAccount(name, find)
		if w != nil {
			return w
		}
		*field = policy.Known(a.ID)
	case "unit":
		name, w := p.argument(word, "a systemd unit")
		if w != nil {
			return w
		}
		f.Unit = policy.Known(name)
	case "app":
		path, w := p.argument(word, "the path of an executable")
		if w != nil {
			return w
		}
		if !strings.HasPrefix(path, "/") {
			return wrong("write it from the root: /usr/bin/curl", "%q is no absolute path", path)
		}
		f.App = policy.Known(path)
	case "at":
		return p.at()
	case "->":
		return wrong(packetForm, "the packet has two arrows")
	default:
		return wrong(suggest(word, p.possible()), "unknown word %q", word)
	}
	return nil
}

// possible lists the facts that a packet of this direction can have.
func (p *packetReader) possible() []string {
	switch p.flow.Direction {
	case policy.In:
		return []string{"on", "unit", "app", "at"}
	case policy.Out:
		return []string{"on", "user", "group", "unit", "app", "at"}
	case policy.Forward:
		return []string{"from", "to", "at"}
	}
	panic(fmt.Sprintf("config: direction %d", uint8(p.flow.Direction)))
}

// misplaced refuses facts that a packet of this direction cannot have.
func (p *packetReader) misplaced(word string) *fault {
	d := p.flow.Direction
	switch word {
	case "on":
		if d == policy.Forward {
			return wrong("write from IFACE to IFACE", "a forwarded packet has two interfaces")
		}
	case "from", "to":
		if d != policy.Forward {
			return wrong("write on IFACE", "only a forwarded packet has %q", word)
		}
	case "user", "group":
		if d != policy.Out {
			return wrong("", "only a packet that goes out has an owner")
		}
	case "unit", "app":
		if d == policy.Forward {
			return wrong("", "a forwarded packet belongs to no process of this machine")
		}
	}
	return nil
}

func (p *packetReader) argument(word, what string) (string, *fault) {
	s, ok := p.next()
	if !ok || s == "" || s == "->" {
		return "", wrong("", "%q wants %s after it", word, what)
	}
	return s, nil
}

const timeForm = `write at 2026-12-31 22:30, at 2026-12-31T22:30:00Z, or at 22:30 for today`

// at reads a time: a date and a time of day, RFC 3339, or a time of today.
func (p *packetReader) at() *fault {
	word, w := p.argument("at", "a time")
	if w != nil {
		return wrong(timeForm, "%s", w.message)
	}
	where := time.Local
	if !p.today.IsZero() {
		where = p.today.Location()
	}
	if t, err := time.Parse(time.RFC3339Nano, word); err == nil {
		p.flow.Time = policy.Known(t.In(where))
		return nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, word, where); err == nil {
			p.flow.Time = policy.Known(t)
			return nil
		}
	}
	if day, err := time.ParseInLocation("2006-01-02", word, where); err == nil {
		clock, ok := p.next()
		if !ok {
			return wrong(timeForm, "%q lacks the time of day", word)
		}
		return p.clock(day, clock)
	}
	if p.today.IsZero() {
		return wrong(timeForm, "%q is no date and time", word)
	}
	return p.clock(p.today, word)
}

// clock reads a time of a day.
func (p *packetReader) clock(day time.Time, s string) *fault {
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			p.flow.Time = policy.Known(time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), t.Second(), 0, day.Location()))
			return nil
		}
	}
	return wrong(timeForm, "%q is no time", s)
}
