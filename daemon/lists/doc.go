// Package lists fetches address lists from the net. It is for an unprivileged process: pfwd, which judges what is fetched and
// enforces it, talks to nobody there.
package lists
