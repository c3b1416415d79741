//go:build unix

package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Whatever a key names by mistake, a file is not read without end, and the content of one that stands in the place of
// its path, a key or a password, is in no error.
func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	content := "-----BEGIN PRIVATE KEY-----\n" + password + "\n-----END PRIVATE KEY-----\n"
	for key, set := range map[string]func(*config.Iggy, string){
		"iggy.client_secret_file": func(i *config.Iggy, path string) { i.ClientSecret, i.ClientSecretFile = config.Secret{}, path },
		"iggy.tls.ca_file":        func(i *config.Iggy, path string) { i.TLS = config.TLS{Enabled: true, CAFile: path} },
		"iggy.tls.cert_file": func(i *config.Iggy, path string) {
			i.TLS = config.TLS{Enabled: true, CertFile: path, KeyFile: "key.pem"}
		},
		"iggy.tls.key_file": func(i *config.Iggy, path string) {
			i.TLS = config.TLS{Enabled: true, CertFile: "/dev/null", KeyFile: path}
		},
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			endless, inline := valid().Iggy, valid().Iggy
			set(&endless, "/dev/zero")
			err := endless.Validate()
			require.ErrorContains(t, err, key+": /dev/zero: larger than ")
			set(&inline, content)
			err = inline.Validate()
			require.ErrorContains(t, err, key+": must be the path of a file, not its content")
			require.False(t, strings.Contains(err.Error(), password), "%v", err)
		})
	}
	_, err := config.Load(config.WithFile(content), config.WithEnviron(login))
	require.ErrorContains(t, err, "must be the path of a file")
	require.NotContains(t, err.Error(), password)
}
