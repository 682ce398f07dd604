package nflog

// prefixes remembers the prefixes that rules log with, so that packets of one rule share one text. It serves one goroutine.
type prefixes map[string]string

// Rules come and go by reloads, and others may log to the group.
const prefixesKept = 8192

func (p *prefixes) text(b []byte) string {
	if text, ok := (*p)[string(b)]; ok {
		return text
	}
	if *p == nil || len(*p) >= prefixesKept {
		*p = prefixes{}
	}
	text := string(b)
	(*p)[text] = text
	return text
}
