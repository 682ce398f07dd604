package enforce

import "context"

// Keep lets packets of connections that conntrack does not know pass for a while, in both directions, so that it learns
// them: UDP, and TCP but for a packet that would open a connection. Other protocols need it not, and are passed over.
func (t *Table) Keep(ctx context.Context, list []Tuple) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.enter(ctx, keptSet, list)
}

// Kept lists the connections that Keep lets pass, each as it was opened: conntrack may have learned of one from a packet of
// the way back, and takes it to be opened the other way.
func (t *Table) Kept(ctx context.Context) ([]Tuple, error) {
	return t.opened(ctx, keptSet)
}

// Unkeep takes back what Keep let pass. Conntrack may know the connection by now: Cut ends it.
func (t *Table) Unkeep(ctx context.Context, list []Tuple) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.leave(ctx, keptSet, list)
}
