package config

import (
	"errors"
	"fmt"
	"strings"
)

// Credentials are what a connection logs in with: a user's name and password,
// or a personal access token.
type Credentials struct {
	// Username and Password are set when there is no Token.
	Username string
	// Password belongs to Username.
	Password Secret
	// Token is a personal access token.
	Token Secret
}

// maxSecretFile is far more than a secret can have.
const maxSecretFile Bytes = 64 << 10

// Credentials resolves the one way to log in that is configured. It reads
// client_secret_file at each call, so that a connection which logs in again
// uses a password that was changed in the meantime. Its errors name the key.
func (i Iggy) Credentials() (Credentials, error) {
	f := newFaults("iggy")
	credentials := i.login(f)
	if err := f.err(); err != nil {
		return Credentials{}, err
	}
	return credentials, nil
}

func (i Iggy) validateLogin(f faults) { i.login(f) }

// login adds its faults to f; what it returns is good only when there are none.
func (i Iggy) login(f faults) Credentials {
	if key, err := i.checkLogin(); err != nil {
		f.add(key, err)
		return Credentials{}
	}
	if i.Token.IsSet() {
		limit(f, "token", i.Token.Reveal())
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
	limit(f, "client_id", i.ClientID)
	limit(f, key, password.Reveal())
	return Credentials{Username: i.ClientID, Password: password}
}

// limit is the protocol's: the length of each is one byte.
func limit(f faults, key, value string) {
	f.require(len(value) <= maxName, key, "must have at most %d bytes", maxName)
}

// checkLogin tells which key stands in the way of exactly one way to log in.
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

// readSecret reads a secret from a file. One line break at its end doesn't
// count, since editors and echo leave it there.
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
