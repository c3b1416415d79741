//go:build unix

package config_test

import (
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
