//go:build (!unix && !windows) || solaris || aix

package embedded

import "os"

// lockFile opens the file without a lock, since there is none here. Two servers must not use one
// directory.
func lockFile(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
}
