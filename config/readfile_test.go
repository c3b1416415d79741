//go:build unix

package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// A file is never read without end, and the content of a file in the place of its path, a key or a
// password, is in no error.
func TestValidateRefusesFilesThatAreNotRegular(t *testing.T) {
	t.Parallel()
	content := "-----BEGIN PRIVATE KEY-----\n" + password + "\n-----END PRIVATE KEY-----\n"
	for key, set := range map[string]func(*config.Iggy, string){
		"iggy.client_secret_file": func(i *config.Iggy, path string) { i.ClientSecret, i.ClientSecretFile = config.Secret{}, path },
		"iggy.tls.ca_file":        func(i *config.Iggy, path string) { i.TLS = config.TLS{Enabled: true, CAFile: path} },
		"iggy.tls.cert_file": func(i *config.Iggy, path string) {
			i.TLS = config.TLS{Enabled: true, CertFile: path, KeyFile: "key.pem"}
		},
		"iggy.tls.key_file": func(i *config.Iggy, path string) {
			i.TLS = config.TLS{Enabled: true, CertFile: "config.go", KeyFile: path}
		},
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
			require.NoError(t, syscall.Mkfifo(pipe, 0o600))
			require.NoError(t, os.WriteFile(large, nil, 0o600))
			require.NoError(t, os.Truncate(large, 1<<40)) // sparse
			for path, want := range map[string]string{
				"/dev/zero": key + ": /dev/zero: is a device, not a regular file",
				pipe:        key + ": " + pipe + ": is a pipe, not a regular file",
				dir:         key + ": read " + dir + ": is a directory",
				large:       key + ": " + large + ": larger than ",
				content:     key + ": must be the path of a file, not its content",
			} {
				i := valid().Iggy
				set(&i, path)
				err := i.Validate()
				require.Len(t, config.Faults(err), 1)
				require.ErrorContains(t, err, want)
				require.NotContains(t, err.Error(), password)
			}
		})
	}
	_, err := loadWith(config.WithFile(content), config.WithEnviron(login))
	require.ErrorContains(t, err, "must be the path of a file")
	require.NotContains(t, err.Error(), password)
}

// A pipe with a name of its own is refused, since opening it waits for a writer. The pipe of a process
// substitution is read.
func TestLoadReadsNoNamedPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err := loadWith(config.WithFile(pipe), config.WithEnviron(nil))
	require.EqualError(t, err, "configuration file: "+pipe+": is a pipe, not a regular file")

	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	_, err = w.WriteString("consumers: {tasks: {group: substituted}}\n")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	c, err := loadWith(config.WithFile(fmt.Sprintf("/dev/fd/%d", r.Fd())), config.WithEnviron(login))
	require.NoError(t, err)
	require.Equal(t, "substituted", c.Consumers["tasks"].Group)
}

// A file that can't be read or parsed is the only error: what it sets is unknown.
func TestUnreadableFileIsTheOnlyError(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("iggy: {client_id: me, client_secret: [\n"), 0o600))
	for _, path := range []string{"/no/such/file", t.TempDir(), broken} {
		_, err := loadWith(config.WithFile(path), config.WithEnviron([]string{"FETCHBOX__IGGY__TRANSPORT=carrier"}))
		require.Len(t, config.Faults(err), 1, "%v", err)
		require.ErrorContains(t, err, path)
	}
}
