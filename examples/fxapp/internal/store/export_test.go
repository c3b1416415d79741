package store

// IsFileName reports whether a file may be one of the store's.
func IsFileName(name string) bool { return isFileName(name) }
