//go:build !unix

package embedded

import "os"

// lockFile only opens the file: there is no portable lock. Two servers in one directory would spoil each other's files.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
