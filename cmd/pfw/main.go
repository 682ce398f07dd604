// Command pfw is everything a person does with the firewall that pfwd keeps in force. It talks to the daemon over its
// control socket; check, and show and explain with --config, read a file instead.
package main

import "os"

// version is set by the linker, see the Makefile.
var version = "unknown"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }
