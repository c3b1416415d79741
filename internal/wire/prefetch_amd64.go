package wire

// prefetch has the processor bring b, except perhaps its last bytes, into its cache, and does not wait
// for it. Others may write b at the same time. b may be empty.
//
//go:noescape
func prefetch(b []byte)
