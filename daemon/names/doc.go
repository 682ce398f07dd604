// Package names knows which addresses names have: it reads the answers of the DNS that this machine gets, and asks for the names
// that rules are about. It decides nothing.
package names
