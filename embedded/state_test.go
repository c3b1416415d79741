package embedded_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// withChecksum returns the content of a state file with these fields.
func withChecksum(fields string) []byte {
	zeros := []byte(`{"checksum": "0000000000000000", ` + fields + `}`)
	return bytes.Replace(zeros, []byte("0000000000000000"), fmt.Appendf(nil, "%016x", xxh3.Hash(zeros)), 1)
}

// TestUnusableStateIsSetAside starts on a state of which both files can't be used. The server has
// nothing then, but the files of the partitions are kept.
func TestUnusableStateIsSetAside(t *testing.T) {
	t.Parallel()
	for label, state := range map[string][]byte{
		"no json":        []byte("{"),
		"empty":          nil,
		"zeros":          make([]byte, 500),
		"no checksum":    []byte(`{"version": 2}`),
		"wrong checksum": []byte(`{"version": 2, "checksum": "0123456789abcdef"}`),
		"stream number":  withChecksum(`"version": 2, "streams": [{"id": 4294967295, "name": "s"}]`),
		"same number":    withChecksum(`"version": 2, "streams": [{"id": 1, "name": "s"}, {"id": 1, "name": "t"}]`),
		"permissions":    withChecksum(`"version": 2, "users": [{"id": 0, "name": "iggy", "permissions": "AQE="}]`),
		"user number":    withChecksum(`"version": 2, "users": [{"id": 4294967295, "name": "iggy"}]`),
		"topic number":   withChecksum(`"version": 2, "streams": [{"id": 0, "name": "s", "topics": [{"id": 4294967295}]}]`),
		"group number":   withChecksum(`"version": 2, "streams": [{"id": 0, "name": "s", "topics": [{"id": 0, "groups": [{"id": 4294967295}]}]}]`),
		"wrong type":     []byte(`{"version": "2"}`),
		"not the object": []byte(`[]`),
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := writeSix(t, dir)
			messages, err := os.ReadFile(log)
			require.NoError(t, err)
			for _, name := range []string{"state.json", "state.copy.json"} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), state, 0o600))
			}
			srv, seen := startSeeing(t, dir)
			require.Equal(t, 2, seen.FilterMessage("damaged state set aside").Len())
			require.Equal(t, 1, seen.FilterMessage("files set aside").Len())
			aside := filepath.Join(dir, "set-aside")
			for name, want := range map[string][]byte{
				"state.json": state, "state.copy.json": state, filepath.Base(log): messages,
			} {
				kept, err := os.ReadFile(filepath.Join(aside, name))
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, kept), name)
			}
			makeTopic(t, srv, 1)
			require.Empty(t, payloads(t, srv, 0), "a new partition does not get the messages of an old one")
			stop(t, srv)
			_, seen = startSeeing(t, dir)
			require.Zero(t, seen.Len())
		})
	}
}

func TestDamagedStateIsReadFromCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeSix(t, dir)
	whole, err := os.ReadFile(filepath.Join(dir, "state.json"))
	require.NoError(t, err)
	for position := 0; position < len(whole); position += 7 {
		for _, name := range []string{"state.json", "state.copy.json"} {
			broken := bytes.Clone(whole)
			broken[position] ^= 1
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), broken, 0o600))
			srv, seen := startSeeing(t, dir)
			require.Len(t, payloads(t, srv, 0), 6)
			require.Equal(t, 1, seen.Len(), "position %d of %s", position, name)
			stop(t, srv)
			again, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, string(whole), string(again), "the damaged file is written again")
		}
	}
}

func TestStateWithoutOneFile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"state.json", "state.copy.json"} {
		dir := t.TempDir()
		writeSix(t, dir)
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
		srv := startIn(t, dir)
		require.Len(t, payloads(t, srv, 0), 6)
		stop(t, srv)
		require.FileExists(t, filepath.Join(dir, name))
	}
}

// TestStateOfOtherVersionIsRefused expects that a directory of another version stays as it is.
func TestStateOfOtherVersionIsRefused(t *testing.T) {
	t.Parallel()
	for label, state := range map[string][]byte{
		"earlier": []byte(`{"version": 1, "next_partition": 1}`),
		"later":   withChecksum(`"version": 7`),
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "state.json"), state, 0o600))
			for range 2 { // the lock was released
				_, err := embedded.Start(embedded.WithDirectory(dir))
				require.ErrorContains(t, err, "embedded: state has version")
			}
			again, err := os.ReadFile(filepath.Join(dir, "state.json"))
			require.NoError(t, err)
			require.Equal(t, state, again)
		})
	}
}

func TestCredentialsOfDirectoryApply(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stop(t, startIn(t, dir, embedded.WithCredentials("iggy", "first")))
	for password, warned := range map[string]int{"first": 0, "second": 1} {
		srv, seen := startSeeing(t, dir, embedded.WithCredentials("iggy", password))
		require.Equal(t, warned, seen.FilterMessage("these credentials do not apply, but those that the directory has stored").Len())
		dial(t, srv).mustCall(t, embedded.LoginUser, loginBody("iggy", "first"))
		stop(t, srv)
	}
}
