package daemon

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// banFile is the bans in the state directory.
type banFile struct {
	Bans []savedBan `json:"bans"`
}

type savedBan struct {
	Remote netip.Prefix `json:"remote"`
	ban
}

// newBans reads the bans that are to go on.
func newBans(d *Daemon) *bans {
	b := &bans{d: d, path: filepath.Join(d.o.StateDir, "bans.json"), all: map[netip.Prefix]ban{}, nets: map[netip.Prefix]bool{}, unguarded: map[netip.Prefix]bool{}, come: make(chan struct{}, 1)}
	text, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return b
	}
	var saved banFile
	if err == nil {
		err = json.Unmarshal(text, &saved)
	}
	for _, s := range saved.Bans {
		// A disk may damage it.
		if !bannable(s.Remote) {
			err = errors.Join(err, fmt.Errorf("%s: nobody can be banned as that", s.Remote))
			continue
		}
		b.put(s.Remote, s.ban)
	}
	b.unsaved = false
	if err != nil {
		d.log.Error("bans of before not read; what the kernel holds of them stays in force", "error", err)
		d.faults.hold(unreadBans, tamperShown, "bans of before are not known, but for those that the kernel still held: "+err.Error(),
			"pfw bans lists who is banned; pfw ban anybody who is missing. The file is written anew with the next ban")
	}
	return b
}

// save writes the bans where they changed. change is held; who learns of bans by the log does not wait for it.
func (b *bans) save() {
	b.mu.Lock()
	unsaved := b.unsaved
	b.unsaved = false
	b.mu.Unlock()
	if !unsaved {
		return
	}
	if err := replaceFile(b.path, b.write); err != nil {
		b.mu.Lock()
		b.unsaved = true
		b.mu.Unlock()
		b.d.unsaved(unsavedBans, err)
		return
	}
	b.d.faults.clear(unsavedBans)
}

// write writes a banFile, ban by ban: there may be a hundred thousand.
func (b *bans) write(w io.Writer) error {
	list := b.list()
	out := bufio.NewWriter(w)
	lead := `{"bans":[`
	for _, remote := range slices.SortedFunc(maps.Keys(list), comparePrefixes) {
		text, err := json.Marshal(savedBan{remote, list[remote]})
		if err != nil {
			return err
		}
		out.WriteString(lead)
		out.Write(text)
		lead = ",\n"
	}
	if len(list) == 0 {
		out.WriteString(lead)
	}
	out.WriteString("]}\n")
	return out.Flush()
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// end leaves the bans to a successor. What happens to the kernel's from now on is no end of a ban.
func (b *bans) end() {
	b.change.Lock()
	defer b.change.Unlock()
	b.ended = true
	b.save()
}

// begin takes over what the kernel holds. The policy is in force, and so are the bans of before.
func (b *bans) begin(ctx context.Context) {
	b.change.Lock()
	defer b.change.Unlock()
	if err := b.look(ctx, time.Now()); err != nil {
		b.d.log.Error("bans not read from the kernel", "error", err)
	}
}
