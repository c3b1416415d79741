package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	secret := config.NewSecret
	file := filepath.Join(t.TempDir(), "secret")
	for name, c := range map[string]struct {
		iggy config.Iggy
		want config.Credentials
	}{
		"password": {config.Iggy{ClientID: "a", ClientSecret: secret("b")}, config.Credentials{Username: "a", Password: secret("b")}},
		"file":     {config.Iggy{ClientID: "a", ClientSecretFile: file}, config.Credentials{Username: "a", Password: secret("from file")}},
		"token":    {config.Iggy{Token: secret("t")}, config.Credentials{Token: secret("t")}},
	} {
		require.NoError(t, os.WriteFile(file, []byte("from file\n"), 0o600))
		got, err := c.iggy.Credentials()
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestCredentialsReadTheFileEachTime(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	i := config.Iggy{ClientID: "a", ClientSecretFile: file}
	for content, want := range map[string]string{
		"one": "one", "two\n": "two", "three\r\n": "three", "four\n\n": "four\n", " five ": " five ",
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		got, err := i.Credentials()
		require.NoError(t, err)
		require.Equal(t, want, got.Password.Reveal(), "%q", content)
	}
}

func TestCredentialsFaults(t *testing.T) {
	t.Parallel()
	secret, dir := config.NewSecret, t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	empty, good, large := write("empty", "\n"), write("good", "x"), write("large", strings.Repeat("x", 1<<16+1))
	for want, i := range map[string]config.Iggy{
		"iggy.client_id: must be set, with client_secret or client_secret_file, unless token is": {},
		"iggy.client_id: must be set when client_secret or client_secret_file is":                {ClientSecret: secret("x")},
		"iggy.client_secret: must be set (or client_secret_file) when client_id is":              {ClientID: "a"},
		"iggy.token: must not be set together with client_secret or client_secret_file":          {ClientID: "a", ClientSecret: secret("x"), Token: secret("t")},
		"iggy.client_id: must not be set together with token, which names its user itself":       {ClientID: "a", Token: secret("t")},
		"iggy.client_secret_file: must not be set together with client_secret":                   {ClientID: "a", ClientSecret: secret("x"), ClientSecretFile: good},
		"iggy.client_secret_file: " + empty + ": holds no secret":                                {ClientID: "a", ClientSecretFile: empty},
		"iggy.client_secret_file: " + large + ": larger than 64KiB":                              {ClientID: "a", ClientSecretFile: large},
		"iggy.client_secret_file: open " + dir + "/missing: no such file or directory":           {ClientID: "a", ClientSecretFile: dir + "/missing"},
		"iggy.client_secret_file: read " + dir + ": is a directory":                              {ClientID: "a", ClientSecretFile: dir},
		"iggy.client_id: must have at most 255 bytes":                                            {ClientID: strings.Repeat("a", 256), ClientSecret: secret("x")},
		"iggy.client_secret: must have at most 255 bytes":                                        {ClientID: "a", ClientSecret: secret(strings.Repeat("x", 256))},
		"iggy.token: must have at most 255 bytes":                                                {Token: secret(strings.Repeat("x", 256))},
	} {
		_, err := i.Credentials()
		require.EqualError(t, err, want)

		c := valid()
		c.Iggy.ClientID, c.Iggy.ClientSecret, c.Iggy.ClientSecretFile, c.Iggy.Token = i.ClientID, i.ClientSecret, i.ClientSecretFile, i.Token
		require.EqualError(t, c.ValidateCluster(""), want)
	}
}

func TestCredentialsHint(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("\ufeffs3cr3t\n\n"), 0o600))
	secret := config.NewSecret
	for name, tt := range map[string]struct {
		iggy config.Iggy
		want string
	}{
		"nothing":     {config.Iggy{ClientID: "a", ClientSecret: secret("s3 cr3t'")}, ""},
		"one quote":   {config.Iggy{ClientID: "a", ClientSecret: secret(`"`)}, ""},
		"none":        {config.Iggy{}, ""},
		"file":        {config.Iggy{ClientID: "a", ClientSecretFile: file}, "iggy.client_secret_file begins with a byte order mark (UTF-8 BOM); iggy.client_secret_file ends in a line break"},
		"name":        {config.Iggy{ClientID: "a\r\n", ClientSecret: secret("s3cr3t")}, "iggy.client_id ends in a line break"},
		"first line":  {config.Iggy{ClientID: "a", ClientSecret: secret("\ns3cr3t")}, "iggy.client_secret begins with a line break"},
		"token":       {config.Iggy{Token: secret("'s3cr3t'\n")}, "iggy.token ends in a line break; iggy.token is in quotation marks"},
		"spaces":      {config.Iggy{ClientID: "a", ClientSecret: secret("\ts3cr3t")}, "iggy.client_secret begins or ends with a space or tab"},
		"only breaks": {config.Iggy{ClientID: "a", ClientSecret: secret("\n")}, "iggy.client_secret ends in a line break; iggy.client_secret begins with a line break"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, tt.iggy.CredentialsHint())
			require.NotContains(t, tt.iggy.CredentialsHint(), "s3cr3t")
		})
	}
}
