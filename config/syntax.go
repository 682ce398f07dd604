package config

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// syntax says what is wrong at an offset with text that is no TOML, with a hint for the slips that people make.
func (f *file) syntax(offset int, message string) *fault {
	offset = min(max(offset, 0), len(f.text))
	number := f.line(offset)
	line := string(f.source(number))
	before := strings.TrimSpace(string(f.text[f.start(number):offset]))
	hint := slip(before, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), before)), line)
	// The library names the first byte of a character of several.
	if r, size := utf8.DecodeRune(f.text[offset:]); size > 1 {
		message = fmt.Sprintf("unexpected character %q", r)
	}
	return wrong(printable(hint), "not valid TOML: %s", printable(strings.TrimPrefix(message, "toml: ")))
}

// slip guesses what somebody meant who wrote a line that is wrong between before and after.
func slip(before, after, line string) string {
	key, value, assigned := strings.Cut(line, "=")
	value, _, _ = strings.Cut(value, "#")
	value = strings.TrimSpace(value)
	header := strings.HasPrefix(strings.TrimSpace(line), "[")
	switch {
	case header:
		return "a header stands alone on its line: [log], [list.NAME] or [[rule]]"
	case strings.TrimSpace(key) == "" && assigned:
		return "write a key before the equals sign"
	case !assigned && strings.Contains(line, ":"):
		return "write key = value, with an equals sign"
	case strings.HasSuffix(before, "=") && after == "":
		return "write a value after the equals sign"
	case !assigned || before == "":
		return "is the list or the text that stands above closed?"
	case strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{"):
		if strings.HasSuffix(before, "[") || strings.HasSuffix(before, ",") || strings.HasSuffix(before, "=") {
			return "put text in quotation marks"
		}
		return "values of a list stand in brackets, with a comma between them"
	case strings.Count(value, `"`)%2 == 1 || strings.Count(value, "'")%2 == 1:
		return "a quotation mark is missing"
	case strings.HasPrefix(value, `"`):
		if strings.Contains(value, `\`) {
			return `a backslash is written twice: \\`
		}
		return `a list stands in brackets: ["ssh", "http"]`
	}
	switch strings.ToLower(value) {
	case "true", "yes", "on", "false", "no", "off":
		return "write true or false"
	}
	if strings.IndexFunc(value, unicode.IsLetter) < 0 && strings.ContainsAny(value, ", ") {
		return "a list stands in brackets: [22, 80]"
	}
	return fmt.Sprintf(`put it in quotation marks: "%s"`, value)
}
