package daemon

import "time"

// budget bounds the time that goes into something that is good to have: a share of all time, of which some can be saved
// up. The zero value has all that can be saved. It serves one goroutine.
type budget struct {
	spent time.Duration // of what can be saved
	at    time.Time
}

const (
	// A fifth of the time leaves a reader that keeps up with 300,000 messages a second at 240,000.
	budgetShare = 5
	// What was saved is spent at once, and so long nothing is read. The kernel holds 100,000 messages meanwhile.
	budgetSaved = 200 * time.Millisecond
)

// allows tells whether there is time left. A task may take more than that; what comes after waits the longer.
func (b *budget) allows(now time.Time) bool {
	b.spent = max(0, b.spent-now.Sub(b.at)/budgetShare)
	b.at = now
	return b.spent < budgetSaved
}

// spend takes note of what a task took.
func (b *budget) spend(d time.Duration) { b.spent += d }
