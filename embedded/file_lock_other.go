//go:build !unix

package embedded

import "os"

// lockFile opens the file without a lock, since there is no portable one. Two servers must not use
// one directory.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
