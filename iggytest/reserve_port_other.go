//go:build !unix

package iggytest

// reservePort does nothing, since there is no portable way to reserve a port.
func reservePort(string) (release func()) { return func() {} }
