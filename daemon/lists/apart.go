package lists

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Apart fetches as another user, in a process of its own: this program, run with args, which is to call Serve. Root has no business
// on the net.
func Apart(ctx context.Context, r Request, as *syscall.Credential, args ...string) (Answer, error) {
	request, err := json.Marshal(r)
	if err != nil {
		return Answer{}, fmt.Errorf("encode request: %w", err)
	}
	// By this path the program is found where the other user may not look.
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Dir = "/"
	cmd.Env = passed(os.Environ())
	cmd.Stdin = bytes.NewReader(request)
	var complaint beginning
	cmd.Stderr = &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Answer{}, err
	}
	if err := cmd.Start(); err != nil {
		return Answer{}, &startError{err}
	}
	a, err := readReply(out, r.Most)
	if err != nil {
		// It may still write.
		_ = cmd.Process.Kill()
	}
	if ended := cmd.Wait(); ended != nil {
		err = fmt.Errorf("who fetched it ended with %w: %s", ended, strings.TrimSpace(string(complaint)))
	}
	if err != nil {
		return Answer{}, err
	}
	return a, nil
}

// beginning keeps what a stranger writes first.
type beginning []byte

// mostKept is how much that is, in bytes.
const mostKept = 4 << 10

func (b *beginning) Write(p []byte) (int, error) {
	*b = append(*b, p[:min(len(p), mostKept-len(*b))]...)
	return len(p), nil
}

// passed is what the environment says about how to reach the net, and whom to trust there.
func passed(environ []string) (out []string) {
	for _, x := range environ {
		name, _, _ := strings.Cut(x, "=")
		switch strings.ToUpper(name) {
		case "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR":
			out = append(out, x)
		}
	}
	return out
}

// reply is what goes before the text.
type reply struct {
	Error        string `json:"error,omitempty"`
	Unchanged    bool   `json:"unchanged,omitempty"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Bytes        int    `json:"bytes"`
}

// Serve fetches what is asked for on in, and answers on out.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	var r Request
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	a, err := Fetch(ctx, r)
	head := reply{Unchanged: a.Unchanged, ETag: a.ETag, LastModified: a.LastModified, Bytes: len(a.Text)}
	if err != nil {
		head = reply{Error: err.Error()}
	}
	line, err := json.Marshal(head)
	if err == nil {
		_, err = out.Write(append(line, '\n'))
	}
	if err == nil {
		_, err = out.Write(a.Text)
	}
	return err
}

// longestHead bounds what goes before the text, in bytes.
const longestHead = 256 << 10

// readReply reads what Serve wrote, as that of a stranger.
func readReply(r io.Reader, most int64) (Answer, error) {
	head, text, err := splitReply(r, most)
	switch {
	case err != nil:
		return Answer{}, err
	case head.Error != "":
		return Answer{}, errors.New(head.Error)
	case head.Bytes != len(text):
		return Answer{}, fmt.Errorf("who fetched it sends %d bytes of %d", len(text), head.Bytes)
	}
	return Answer{Unchanged: head.Unchanged, Text: text, ETag: head.ETag, LastModified: head.LastModified}, nil
}

func splitReply(r io.Reader, most int64) (reply, []byte, error) {
	all, err := io.ReadAll(io.LimitReader(r, most+longestHead+1))
	if err != nil {
		return reply{}, nil, err
	}
	line, text, whole := bytes.Cut(all, []byte{'\n'})
	if !whole || len(line) > longestHead || int64(len(text)) > most {
		return reply{}, nil, errors.New("who fetched it does not answer as it should")
	}
	var head reply
	if err := json.Unmarshal(line, &head); err != nil {
		return reply{}, nil, fmt.Errorf("who fetched it does not answer as it should: %w", err)
	}
	return head, text, nil
}

// UserOf gives the credentials of a user, without any group but its own; nil where there is no such user.
func UserOf(name string) *syscall.Credential {
	u, err := user.Lookup(name)
	if err != nil {
		return nil
	}
	uid, badUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, badGID := strconv.ParseUint(u.Gid, 10, 32)
	if badUID != nil || badGID != nil {
		return nil
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

type startError struct{ error }

func (e *startError) Error() string { return "fetch as another user: " + e.error.Error() }

// Unmapped tells an error of Apart that says that this process may not become the user: in a container whose root is nobody
// outside.
func Unmapped(err error) bool {
	var start *startError
	return errors.As(err, &start) && (errors.Is(start.error, syscall.EINVAL) || errors.Is(start.error, syscall.EPERM))
}
