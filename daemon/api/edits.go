package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"pfw/config"
)

// Edits changes the rule files, rule by rule. match is the ETag of the files that the change is meant for (see Matches); where
// they are others by now, the error is a *Problem of status 412.
type Edits interface {
	// PutRule puts a rule into a file, in place of the one of that name where there is one, and the files in force.
	PutRule(ctx context.Context, name string, r RuleEdit, match string) (Edited, error)
	// DeleteRule takes a rule out of its file, and puts the files in force.
	DeleteRule(ctx context.Context, name, match string) (Edited, error)
}

// editStatus is what is answered where an edit of a file is refused.
var editStatus = map[config.EditReason]int{
	config.NoSuchRule: http.StatusNotFound, config.NotOneRule: http.StatusBadRequest, config.NotEditable: http.StatusConflict,
}

// RuleEdit is a rule to put.
type RuleEdit struct {
	// TOML is the text of one [[rule]], the comments above it included.
	TOML string
	// Before and After name a rule beside which it goes, at most one of them. Without, a rule that is there stays in its
	// place; a new one goes to the end of firewall.toml, but before a rule that would hide it.
	Before, After string
}

// Edited is what an edit of a rule led to.
type Edited struct {
	Outcome
	Rule string `json:"rule"`
	// Change is what became of it.
	Change Change `json:"change"`
	// File and Line are where the rule stands now; where it stood, if it was deleted.
	File string `json:"file"`
	Line int    `json:"line"`
	// Note says what a person should know of the place of a new rule.
	Note string `json:"note,omitempty"`
}

// Change is what became of a rule, in one word.
type Change string

// What can become of a rule.
const (
	Added    Change = "added"
	Replaced Change = "replaced"
	Deleted  Change = "deleted"
)

func (e Edited) whole() Edited {
	e.Outcome = e.Outcome.whole()
	return e
}

// RuleFile is a file of firewall.d.
type RuleFile struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// Files gives the rule files for edits, in the order in which they count.
func (f File) Files() []config.RuleFile {
	out := []config.RuleFile{{Path: f.File, Text: f.Text}}
	for _, more := range f.More {
		out = append(out, config.RuleFile{Path: more.File, Text: more.Text})
	}
	return out
}

func (f File) whole() File {
	f.More = whole(f.More)
	return f
}

// Matches tells whether a list of ETags, as If-Match has it, names this one (RFC 9110, section 13.1.1). Its quotation marks may
// be missing: a shell takes them off easily, and what is between them tells the files apart just as well.
func Matches(match, etag string) bool {
	for tag := range strings.SplitSeq(match, ",") {
		if tag = strings.TrimSpace(tag); tag == etag || tag == strings.Trim(etag, `"`) || tag == "*" {
			return true
		}
	}
	return false
}

type putRequest struct {
	TOML   *string `json:"toml"`
	Before string  `json:"before,omitempty"`
	After  string  `json:"after,omitempty"`
}

func putRule(s *server, w http.ResponseWriter, r *http.Request) error {
	var ask putRequest
	if err := body(r, &ask); err != nil {
		return err
	}
	name := r.PathValue("name")
	switch {
	case ask.TOML == nil:
		return NewProblem(http.StatusBadRequest, `"toml" is missing: the text of one [[rule]]`, "write [[rule]], and its keys below it")
	case ask.Before != "" && ask.After != "":
		return NewProblem(http.StatusBadRequest, "a rule goes before another or after one, not both", "leave one of the two out")
	case ask.Before == name || ask.After == name:
		return NewProblem(http.StatusBadRequest, fmt.Sprintf("rule %q cannot stand beside itself", name), "name another rule")
	}
	match, err := ifMatch(r)
	if err != nil {
		return err
	}
	v, err := s.backend.PutRule(s.ctx, name, RuleEdit{*ask.TOML, ask.Before, ask.After}, match)
	return answer(w, v.whole(), err)
}

func deleteRule(s *server, w http.ResponseWriter, r *http.Request) error {
	if err := body(r, &struct{}{}); err != nil {
		return err
	}
	match, err := ifMatch(r)
	if err != nil {
		return err
	}
	v, err := s.backend.DeleteRule(s.ctx, r.PathValue("name"), match)
	return answer(w, v.whole(), err)
}

// ifMatch is what the files have to be: nobody is to overwrite what they have not seen.
func ifMatch(r *http.Request) (string, error) {
	if match := strings.Join(r.Header.Values("If-Match"), ","); match != "" {
		return match, nil
	}
	return "", NewProblem(http.StatusPreconditionRequired, "a change of the rule files wants If-Match", "give it the ETag of GET /v1/config")
}

// PutRule asks for a rule to be put into the rule files, which have the ETag.
func (c *Client) PutRule(ctx context.Context, name string, r RuleEdit, etag string) (v Edited, err error) {
	return v, c.edit(ctx, http.MethodPut, name, putRequest{&r.TOML, r.Before, r.After}, etag, &v)
}

// DeleteRule asks for a rule to be taken out of the rule files, which have the ETag.
func (c *Client) DeleteRule(ctx context.Context, name, etag string) (v Edited, err error) {
	return v, c.edit(ctx, http.MethodDelete, name, struct{}{}, etag, &v)
}

func (c *Client) edit(ctx context.Context, method, name string, request any, etag string, into *Edited) error {
	text, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	_, err = c.exchange(ctx, method, "rules/"+url.PathEscape(name), http.Header{"If-Match": {etag}}, text, into)
	return err
}
