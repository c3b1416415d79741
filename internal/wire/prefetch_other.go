//go:build !amd64

package wire

// prefetch does nothing: its effect was measured on amd64 only.
func prefetch([]byte) {}
