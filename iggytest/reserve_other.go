//go:build !unix

package iggytest

// reserve has no means here: the port may be taken.
func reserve(string) (release func()) { return func() {} }
