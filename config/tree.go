package config

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// value is a TOML value and where it begins, in bytes of the text.
type value struct {
	at   int
	kind unstable.Kind
	// text is a string's contents, else the value as it is written.
	text  string
	whole int64
	flag  bool
	time  time.Time
	items []*value
	table *table
}

// table is a TOML table, an element of an array of tables among them. at is where its header or its brace begins.
type table struct {
	at     int
	fields map[string]*field
	// defined says that a header or a brace spelled the table out, not only the name of a table in it.
	defined bool
	// twice are the keys that are set a second time, and names that are a table here and a value there.
	twice []misset
}

// misset is a key that cannot be set where it stands.
type misset struct {
	key string
	flaw
}

type field struct {
	name  string
	at    int
	value *value
}

func newTable(at int) *table { return &table{at: at, fields: map[string]*field{}} }

// inOrder lists the fields as they stand in the file.
func (t *table) inOrder() []*field {
	return slices.SortedFunc(maps.Values(t.fields), func(a, b *field) int { return cmp.Compare(a.at, b.at) })
}

// what names a kind of value in a message.
func (v *value) what() string {
	switch v.kind {
	case unstable.String:
		return "a string"
	case unstable.Integer:
		return "a number"
	case unstable.Float:
		return "a number with a fraction"
	case unstable.Bool:
		return "a boolean"
	case unstable.LocalDate:
		return "a date"
	case unstable.LocalTime:
		return "a time"
	case unstable.LocalDateTime, unstable.DateTime:
		return "a date and time"
	case unstable.Array:
		return "a list"
	case unstable.InlineTable, unstable.Table:
		return "a table"
	case unstable.ArrayTable:
		return "a list of tables"
	}
	panic(fmt.Sprintf("config: TOML kind %s", v.kind))
}

// builder makes the tree of a text. It goes on after a key that is set twice, so that all such keys are found.
type builder struct {
	f       *file
	parser  unstable.Parser
	root    *table
	current *table
	// flawed says that the tree is not the whole of the text.
	flawed bool
}

// misset notes a key that cannot be set. Whoever reads the table reports it, because that is who knows the rule's name.
func (b *builder) misset(t *table, key string, at int, w *fault) {
	b.flawed = true
	t.twice = append(t.twice, misset{key, flaw{w, at}})
}

func (b *builder) build() (*table, error) {
	b.root = newTable(0)
	b.current = b.root
	b.parser.Reset(b.f.text)
	for b.parser.NextExpression() {
		node := b.parser.Expression()
		switch node.Kind {
		case unstable.Table:
			b.header(node, false)
		case unstable.ArrayTable:
			b.header(node, true)
		case unstable.KeyValue:
			b.set(b.current, node)
		}
	}
	return b.root, b.parser.Error()
}

// header is a [name] or [[name]] line.
type header struct {
	path  []string
	array bool
}

// header opens the table of a [name] or [[name]] line.
func (b *builder) header(node *unstable.Node, array bool) {
	b.f.headers = append(b.f.headers, header{path(node), array})
	keys := node.Key()
	t := b.root
	for keys.Next() {
		key := keys.Node()
		name, at := string(key.Data), int(key.Raw.Offset)
		start := bytes.LastIndexByte(b.f.text[:at], '[')
		if array {
			start--
		}
		last := keys.IsLast()
		f := t.fields[name]
		if f == nil {
			f = &field{name: name, at: at}
			t.fields[name] = f
			if last && array {
				f.value = &value{at: start, kind: unstable.ArrayTable}
			} else {
				f.value = &value{at: start, kind: unstable.Table, table: newTable(start)}
			}
		}
		v := f.value
		switch {
		case last && array && v.kind == unstable.ArrayTable:
			item := &value{at: start, kind: unstable.Table, table: newTable(start)}
			item.table.defined = true
			v.items = append(v.items, item)
			t = item.table
		case !last && v.kind == unstable.ArrayTable:
			t = v.items[len(v.items)-1].table
		case v.kind == unstable.Table && !(last && array):
			if last && v.table.defined {
				b.f.fault("", b.name(node), at, wrong(fmt.Sprintf("put all of its keys under the one at line %d", b.f.line(v.table.at)), "the table is there twice"))
			}
			t = v.table
		default:
			b.f.fault("", b.name(node), at, wrong("", "%q is %s already (line %d)", name, v.what(), b.f.line(f.at)))
			// What stands under this header belongs nowhere; it is read into a table that nobody looks at.
			b.current = newTable(start)
			return
		}
		if last && !t.defined {
			t.defined, t.at = true, start
		}
	}
	b.current = t
}

// path gives the parts of a key.
func path(node *unstable.Node) (parts []string) {
	for keys := node.Key(); keys.Next(); {
		parts = append(parts, string(keys.Node().Data))
	}
	return parts
}

func (b *builder) name(node *unstable.Node) string {
	name := printable(strings.Join(path(node), "."))
	if node.Kind == unstable.ArrayTable {
		return "[[" + name + "]]"
	}
	return "[" + name + "]"
}

// set puts a key = value line into a table.
func (b *builder) set(t *table, node *unstable.Node) {
	keys := node.Key()
	for keys.Next() {
		key := keys.Node()
		name, at := string(key.Data), int(key.Raw.Offset)
		f := t.fields[name]
		if keys.IsLast() {
			end := at + int(key.Raw.Length)
			v := b.value(node.Value(), b.afterEquals(end))
			if f != nil {
				b.misset(t, name, at, wrong("remove one of the two", "the key is set twice (first at line %d)", b.f.line(f.at)))
				return
			}
			t.fields[name] = &field{name, at, v}
			return
		}
		if f == nil {
			f = &field{name, at, &value{at: at, kind: unstable.Table, table: newTable(at)}}
			t.fields[name] = f
		}
		if f.value.table == nil {
			b.misset(t, name, at, wrong("", "%q is %s already (line %d)", name, f.value.what(), b.f.line(f.at)))
			return
		}
		t = f.value.table
	}
}

// afterEquals finds where the value of a key that ends at an offset begins; the parser does not tell it for arrays.
func (b *builder) afterEquals(i int) int {
	for i < len(b.f.text) && (b.f.text[i] == ' ' || b.f.text[i] == '\t' || b.f.text[i] == '=') {
		i++
	}
	return i
}

func (b *builder) value(node *unstable.Node, at int) *value {
	v := &value{at: at, kind: node.Kind, text: string(node.Data)}
	switch node.Kind {
	case unstable.Array:
		for items := node.Children(); items.Next(); {
			n := items.Node()
			where := int(n.Raw.Offset)
			if n.Raw.Length == 0 {
				where = at
			}
			v.items = append(v.items, b.value(n, where))
		}
	case unstable.InlineTable:
		v.table = newTable(at)
		v.table.defined = true
		for items := node.Children(); items.Next(); {
			b.set(v.table, items.Node())
		}
	case unstable.Bool:
		v.flag = v.text == "true"
	case unstable.Integer:
		n, err := strconv.ParseInt(v.text, 0, 64)
		if err != nil {
			b.f.fault("", "", at, wrong("", "%s is no whole number that fits 64 bits", printable(v.text)))
		}
		v.whole = n
	case unstable.DateTime, unstable.LocalDateTime:
		v.time = parseTime(v.text)
	}
	return v
}

// parseTime reads a date and time whose form the TOML library has checked.
func parseTime(s string) time.Time {
	s = strings.ToUpper(strings.Replace(s, " ", "T", 1))
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t
		}
	}
	return time.Time{}
}
