package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// barred is one line of a chart.
type barred struct {
	label string
	count uint64
}

const (
	plainWidth = 80 // columns of a chart that goes to no terminal
	leastBar   = 10 // columns of a full bar on a terminal that is too narrow
)

func (s *screen) logStats(v logStats) {
	if v.Entries == 0 {
		s.printf("no entries\n")
		return
	}
	s.printf("%s to %s: %s, %s\n", moment(v.Since), moment(v.Until), entries(v.Entries), things(v.Packets, "packet"))
	if v.Unseen > 0 {
		s.printf("%s of them were over the log cap or lost: only their rule is known\n", count(v.Unseen))
	}
	var sources, ports, rules []barred
	for _, c := range v.Sources {
		sources = append(sources, barred{c.Address, c.Count})
	}
	for _, c := range v.Ports {
		ports = append(ports, barred{strings.ToLower(c.Proto) + " " + strconv.Itoa(int(c.Port)), c.Count})
	}
	for _, c := range v.Rules {
		label := c.Rule
		if label == "" {
			label = "not known"
		}
		rules = append(rules, barred{label, c.Count})
	}
	s.charts(chart{"SOURCE", sources}, chart{"PORT", ports}, chart{"RULE", rules})
}

// chart is a part of the statistics, in descending order.
type chart struct {
	title string
	lines []barred
}

// charts draws what has lines, with bars that reach to the edge of the terminal for the highest count of each chart.
func (s *screen) charts(all ...chart) {
	width := s.width
	if width == 0 {
		width = plainWidth
	}
	label, number := 0, len("PACKETS")
	for _, c := range all {
		for _, l := range c.lines {
			label = max(label, len(c.title), utf8.RuneCountInString(safe(l.label)))
			number = max(number, len(count(l.count)))
		}
	}
	full := max(leastBar, width-label-number-2*gap)
	var rows [][]cell
	for _, c := range all {
		if len(c.lines) == 0 {
			continue
		}
		rows = append(rows, []cell{{}}, []cell{{text: c.title, style: faint}, {text: "PACKETS", style: faint, right: true}})
		for _, l := range c.lines {
			rows = append(rows, []cell{{text: l.label, style: bold}, {text: count(l.count), right: true}, {text: bar(l.count, c.lines[0].count, full)}})
		}
	}
	s.table(rows, 0)
}

// bar is as long as n is of most, in eighths of a column; what there is at all is seen.
func bar(n, most uint64, width int) string {
	eighths := max(1, int(float64(n)/float64(most)*float64(8*width)))
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

func entries(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return count(n) + " entries"
}
