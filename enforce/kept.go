package enforce

import "context"

// Kept lists the connections that Keep lets pass, each as it was opened: conntrack may have learned of one from a packet of
// the way back, and takes it to be opened the other way.
func (t *Table) Kept(ctx context.Context) ([]Tuple, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	entries, err := t.entries(ctx, keptSet)
	if err != nil {
		return nil, err
	}
	var out []Tuple
	for _, e := range entries {
		if e.opened {
			out = append(out, e.Tuple)
		}
	}
	return out, nil
}

// Unkeep takes back what Keep let pass. Conntrack may know the connection by now: Cut ends it.
func (t *Table) Unkeep(ctx context.Context, list []Tuple) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leave(ctx, keptSet, list)
}
