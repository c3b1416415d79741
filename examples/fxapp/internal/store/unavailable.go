package store

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// IsUnavailable reports whether err comes from the machine and not from what was to be stored or
// downloaded: the disk is full or read-only, there is no free file descriptor, or the directories
// of the store are on different file systems, broken or not accessible. Another resource would fail,
// too.
func IsUnavailable(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return isOneOf(err, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EXDEV, syscall.EMFILE, syscall.ENFILE) ||
		// A connection has some of these errors, too.
		(errors.As(err, &path) || errors.As(err, &link)) &&
			isOneOf(err, syscall.EIO, syscall.EACCES, syscall.EPERM, syscall.ESTALE)
}

func isOneOf(err error, errnos ...syscall.Errno) bool {
	return slices.ContainsFunc(errnos, func(errno syscall.Errno) bool { return errors.Is(err, errno) })
}

// IsUnavailable reports whether an error of this store comes from what all jobs share: the machine,
// or a directory that can't be written. Otherwise it comes from what was to be read or written.
func (s *Store) IsUnavailable(err error) bool {
	return err != nil && (IsUnavailable(err) || s.Check() != nil)
}
