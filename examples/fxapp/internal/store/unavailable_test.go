package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/store"
)

func TestUnavailableErrors(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		fmt.Errorf("store: %w", &fs.PathError{Op: "write", Err: syscall.ENOSPC}):                  true,
		fmt.Errorf("store: %w", &os.LinkError{Op: "rename", Err: syscall.EXDEV}):                  true,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}:               true,
		&fs.PathError{Op: "open", Err: syscall.EROFS}:                                             true,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}:        false,
		&fs.PathError{Op: "sync", Err: syscall.EIO}:                                               true,
		fmt.Errorf("store: %w", &os.LinkError{Op: "rename", Err: syscall.EACCES}):                 true,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)}:              false,
		&fs.PathError{Op: "open", Err: syscall.ENOENT}:                                            false,
		errors.New("no space left on device, says the server whose resource is to be downloaded"): false,
	} {
		require.Equal(t, want, store.IsUnavailable(err), "%v", err)
	}
}

// The check leaves nothing behind.
func TestCheckDoesWhatTheWorkDoes(t *testing.T) {
	t.Parallel()
	s, dir := open(t)
	require.NoError(t, s.Check())
	require.NoError(t, s.Check())
	for _, kind := range []string{"tmp", "resources", "failures", "manifests", "canceled", "ledger", "logs"} {
		entries, err := os.ReadDir(filepath.Join(dir, kind))
		require.NoError(t, err)
		require.Empty(t, entries, kind)
	}
	states, err := s.Jobs(10)
	require.NoError(t, err)
	require.Empty(t, states)
	require.NoError(t, os.Remove(filepath.Join(dir, "resources")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "resources"), nil, 0o640))
	require.Error(t, s.Check(), "resources can't be renamed to their directory")
}
