//go:build !unix

package iggytest

// reservePort does nothing: on this system another process may take the port.
func reservePort(string) (release func()) { return func() {} }
