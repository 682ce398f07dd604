package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// table is printed as Markdown, with columns that also line up on a terminal.
type table struct {
	title string
	rows  [][]string
	notes []string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// note adds a line beneath the table, once.
func (t *table) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(t.notes, text) {
		t.notes = append(t.notes, text)
	}
}

func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "\n### %s\n\n", t.title)
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range t.rows {
		fmt.Fprint(w, "|")
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprintf(w, " %s%s |", cell, pad)
			} else {
				fmt.Fprintf(w, " %s%s |", pad, cell)
			}
		}
		fmt.Fprintln(w)
		if n == 0 {
			fmt.Fprint(w, "|")
			for i, width := range widths {
				fmt.Fprintf(w, "%s%s|", strings.Repeat("-", width+1), map[bool]string{false: "-", true: ":"}[i > 0])
			}
			fmt.Fprintln(w)
		}
	}
	for _, note := range t.notes {
		fmt.Fprintf(w, "\n%s\n", note)
	}
}

// nothing stands in a cell for what was not measured.
const nothing = "—"

func median[T int64 | float64 | time.Duration](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// spread is half of what lies between the lowest and the highest quarter, as a part of the median: how noisy it was.
func spread(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[len(sorted)*3/4] - sorted[len(sorted)/4]) / 2 / median(all)
}

// ratio shows two digits, three of a small one.
func ratio(f float64) string {
	if math.Abs(f) < 0.1 {
		return fmt.Sprintf("%.3f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// mebibytes shows nothing for 0, which is not known.
func mebibytes(n int64) string {
	if n == 0 {
		return nothing
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}

// count is how many there are, in few letters: 10, 1,000, 100k, 1M.
func count(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n >= 100_000 && n%1000 == 0:
		return fmt.Sprintf("%dk", n/1000)
	}
	return exact(n)
}

// exact is a number with commas.
func exact(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
