// Package enforce turns a policy into a ruleset and keeps the ruleset in force in the kernel.
//
// Compile is pure: a policy becomes a Ruleset, a value that prints as a script for nft -f. Table is the kernel's side:
// it owns the table inet pfw, swaps one generation for the next in one netlink transaction, counts, and cuts open
// connections. Nothing outside that table is touched.
package enforce
