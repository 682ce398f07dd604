// Package leak holds pfwd to its word that no packet sees half a policy or none:
// while a flood of packets that every policy blocks beats on the host, policies
// are swapped and pfwd is killed and started again. Not one packet may come
// through, and a connection that every policy allows must not notice.
package leak
