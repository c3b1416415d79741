package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Credentials are the credentials of a login: a user's name and password, or a personal access
// token.
type Credentials struct {
	// Username is the user's name; it is empty when there is a Token.
	Username string
	// Password is the user's password.
	Password Secret
	// Token is a personal access token.
	Token Secret
}

// maxSecretFile is the largest size of a file with a secret.
const maxSecretFile Bytes = 64 << 10

// Credentials returns the configured credentials. It reads client_secret_file at each call, so that
// a new connection uses a changed password. Its errors name the key.
func (i Iggy) Credentials() (Credentials, error) {
	f := newFaults("iggy")
	credentials := i.login(f)
	if err := f.err(); err != nil {
		return Credentials{}, err
	}
	return credentials, nil
}

// usage says whether a cluster is used.
type usage bool

const (
	// used is for a cluster that needs a login, and the files that its section names.
	used usage = true
	// maybeUnused is for a cluster that may have no login, and whose files may be missing: they are
	// not read.
	maybeUnused usage = false
)

func (i Iggy) validateLogin(f faults, u usage) {
	configured := i.ClientID != "" || i.ClientSecret.IsSet() || i.ClientSecretFile != "" || i.Token.IsSet()
	switch {
	case u == maybeUnused && !configured:
	case u == maybeUnused && i.ClientSecretFile != "":
		if key, err := i.checkLogin(); err != nil {
			f.add(key, err)
		}
	default:
		i.login(f)
	}
}

// login returns the credentials and adds faults to f. With faults, the credentials are not valid.
func (i Iggy) login(f faults) Credentials {
	if key, err := i.checkLogin(); err != nil {
		f.add(key, err)
		return Credentials{}
	}
	if i.Token.IsSet() {
		atMostMaxName(f, "token", i.Token.Reveal())
		return Credentials{Token: i.Token}
	}
	password, key := i.ClientSecret, "client_secret"
	if i.ClientSecretFile != "" {
		var err error
		key = "client_secret_file"
		if password, err = readSecret(i.ClientSecretFile); err != nil {
			f.add(key, err)
			return Credentials{}
		}
	}
	atMostMaxName(f, "client_id", i.ClientID)
	atMostMaxName(f, key, password.Reveal())
	return Credentials{Username: i.ClientID, Password: password}
}

// checkLogin checks that exactly one kind of credentials is configured, and returns the key at
// fault.
func (i Iggy) checkLogin() (key string, err error) {
	secret, file, token := i.ClientSecret.IsSet(), i.ClientSecretFile != "", i.Token.IsSet()
	switch {
	case token && (secret || file):
		return "token", errors.New("must not be set together with client_secret or client_secret_file")
	case secret && file:
		return "client_secret_file", errors.New("must not be set together with client_secret")
	case token && i.ClientID != "":
		return "client_id", errors.New("must not be set together with token, which names its user itself")
	case token:
		return "", nil
	case i.ClientID == "" && !secret && !file:
		return "client_id", errors.New("must be set, with client_secret or client_secret_file, unless token is")
	case i.ClientID == "":
		return "client_id", errors.New("must be set when client_secret or client_secret_file is")
	case !secret && !file:
		return "client_secret", errors.New("must be set (or client_secret_file) when client_id is")
	}
	return "", nil
}

// readSecret reads a secret from a file, without a line break at its end, which editors and echo
// add.
func readSecret(path string) (Secret, error) {
	text, err := readFile(path, maxSecretFile)
	if err != nil {
		return Secret{}, err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return Secret{}, fmt.Errorf("%s: holds no secret", path)
	}
	return NewSecret(secret), nil
}

// CredentialsHint returns what is unusual about the name, the password or the token, for the error
// of a login that the server has refused: a line break or a space at one end, a byte order mark, or
// quotation marks, which a file or a variable may hold by mistake. It names the keys, shows no part
// of the values, and is empty when there is nothing unusual.
func (i Iggy) CredentialsHint() string {
	credentials, err := i.Credentials()
	if err != nil {
		return ""
	}
	key := "iggy.client_secret"
	if i.ClientSecretFile != "" {
		key = "iggy.client_secret_file"
	}
	hints := slices.Concat(
		unusual("iggy.client_id", credentials.Username),
		unusual(key, credentials.Password.Reveal()),
		unusual("iggy.token", credentials.Token.Reveal()),
	)
	return strings.Join(hints, "; ")
}

// byteOrderMark is what some editors write at the beginning of a file.
const byteOrderMark = "\ufeff"

// unusual says what a text has that names and secrets seldom have.
func unusual(key, text string) (hints []string) {
	add := func(is bool, what string) {
		if is {
			hints = append(hints, key+" "+what)
		}
	}
	trimmed := strings.TrimPrefix(text, byteOrderMark)
	add(trimmed != text, "begins with a byte order mark (UTF-8 BOM)")
	withoutBreaks := strings.TrimRight(trimmed, "\r\n")
	add(withoutBreaks != trimmed, "ends in a line break")
	add(strings.TrimLeft(trimmed, "\r\n") != trimmed, "begins with a line break")
	inner := strings.Trim(trimmed, "\r\n")
	bare := strings.Trim(inner, " \t\u00a0")
	add(bare != inner, "begins or ends with a space or tab")
	if n := len(bare); n > 1 {
		first, last := bare[0], bare[n-1]
		add(first == last && strings.IndexByte("\"'`", first) >= 0, "is in quotation marks")
	}
	return hints
}
