// Package accounting counts bursts of blocked packets twice: as the kernel's rule
// counters do, and as a reader of the audit log can. Nothing that was blocked may
// be missing from the sum of entries, suppressed and lost: for every rule the two
// are equal, to the packet, whatever happens to pfwd meanwhile.
package accounting
