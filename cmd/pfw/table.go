package main

import (
	"strings"
	"unicode/utf8"
)

// cell is one field of a table.
type cell struct {
	text  string
	style style
	right bool // numbers
}

// leastWidth is what stays of a column that gives way, in columns of the terminal; fewWidth, where it is one of several.
const leastWidth, fewWidth = 20, 10

// table writes rows in columns. On a terminal that is too narrow the flexible columns are cut, one after the other;
// elsewhere nothing is.
func (s *screen) table(rows [][]cell, flexible ...int) {
	var widths []int
	for _, row := range rows {
		for i := range row {
			row[i].text = safe(row[i].text)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	least := leastWidth
	if len(flexible) > 1 {
		least = fewWidth
	}
	for _, column := range flexible {
		if over := sum(widths) + gap*(len(widths)-1) - s.width; s.width > 0 && over > 0 {
			widths[column] = min(widths[column], max(least, widths[column]-over))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			text := cut(c.text, widths[i])
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			switch {
			case c.right:
				line.WriteString(pad + s.paint(c.style, text))
			case i == len(row)-1:
				line.WriteString(s.paint(c.style, text))
			default:
				line.WriteString(s.paint(c.style, text) + pad)
			}
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", gap))
			}
		}
		s.write(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// gap is the blanks between columns.
const gap = 2

func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

func sum(list []int) (n int) {
	for _, v := range list {
		n += v
	}
	return n
}
