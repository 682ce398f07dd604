// Package differential holds two readings of one policy against each other and
// against the kernel. For every packet three answers are compared: what
// policy.Decide says of it under the loaded file, what became of the real packet
// (it arrived, once; it was answered with a reset or as prohibited; neither), and
// which rule and action the audit log names. The rules' counters must have moved
// by exactly the packets that the rules decided.
//
// TestThreeReadings does so for random policies and random packets, and prints
// how to repeat what it finds:
//
//	go test ./e2e/differential -run ThreeReadings -seed 7 -policies 1 -packets 200
//
// The other tests do it for one named case each: what is always in force, what a
// rule judges, and whatever the random ones once found.
package differential
