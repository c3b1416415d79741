//go:build unix

package embedded

import (
	"os"
	"syscall"
)

// lockFile opens and locks a file. It fails when another process, or this one, has locked it
// already. Closing the file or the end of the process unlocks it.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
