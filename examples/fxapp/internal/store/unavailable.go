package store

import (
	"errors"
	"syscall"
)

// IsUnavailable reports whether err comes from the machine and not from what was to be stored or
// downloaded: the disk is full or read-only, there is no free file descriptor, or the directories
// of the store are on different file systems. Another resource would fail, too.
func IsUnavailable(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EXDEV, syscall.EMFILE, syscall.ENFILE,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
