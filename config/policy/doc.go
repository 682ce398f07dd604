// Package policy holds what pfw enforces: rules that are valid by construction, and Decide, the plain reading of them.
//
// There are two readings of one policy. Decide walks the rules first to last and is obviously right; package enforce
// compiles the form that the kernel runs. A differential test holds one against the other. The package imports the
// standard library only and reads neither files nor clocks: whoever calls says what time it is.
package policy
