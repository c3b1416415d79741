//go:build unix && !solaris && !aix

package embedded

import (
	"errors"
	"os"
	"syscall"
)

// lockFile opens and locks a file. It returns errLocked when another process, or this one, has
// locked it already. Closing the file or the end of the process unlocks it.
func lockFile(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, err
	}
	return f, nil
}
