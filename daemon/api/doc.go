// Package api is the control API, both ends: the handler that a daemon serves on its unix socket, the client that the
// command line uses, and the types of what goes over the wire. HTTP/1.1 and JSON; errors are problem documents
// (RFC 9457); the credentials of the peer decide who is answered.
package api
