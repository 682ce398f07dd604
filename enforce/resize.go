package enforce

import (
	"slices"

	"pfw/config/policy"
)

// resize readies the sets of bans that are to be of another size: they are made anew with all that they hold in the transaction
// that swaps the rules, as kernels before 6.5 keep the size that a set has. A set is never made too small for its bans. emptied
// says that one is made anew without any, as there is none in the kernel whose bans it could take; remade that one is with them,
// but for those that come while it is read, or that the reading misses as the kernel's hash grows.
func (t *Table) resize(r *Ruleset) (emptied, remade bool, err error) {
	r.sets = slices.Clone(r.sets)
	for i := range r.sets {
		s := &r.sets[i]
		f, bans := bannedFamily(s.name)
		if !s.dynamic || !bans || s.stays(t.last) {
			continue
		}
		was := *s
		was.size = uint32(t.last.Sets[s.name].room)
		if !was.stays(t.last) {
			emptied = true
			continue
		}
		list, err := t.socket.bansOf(f)
		if err != nil {
			return false, false, err
		}
		if s.size = max(s.size, uint32(len(list))); s.stays(t.last) {
			continue
		}
		remade = true
		for _, b := range list {
			s.carried = append(s.carried, element{key: b.Remote.Addr().AsSlice(), timeout: b.Left})
		}
	}
	return emptied, remade, nil
}

// bannedFamily tells of which family's bans a set is.
func bannedFamily(set string) (f policy.Family, ok bool) {
	for _, f := range policy.Families {
		if set == ofFamily(bannedSet, f) {
			return f, true
		}
	}
	return 0, false
}
