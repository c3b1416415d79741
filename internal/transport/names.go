package transport

import (
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// maxName is the longest name of a stream, a topic, a group, a consumer or a user, in bytes: the
// length is one byte on the wire.
const maxName = 255

// CheckNames refuses names that no request can contain: names have 1 to 255 bytes. What a name is
// and the name alternate in whatAndName.
func CheckNames(op string, whatAndName ...string) error {
	for i := 0; i+1 < len(whatAndName); i += 2 {
		if n := len(whatAndName[i+1]); n == 0 || n > maxName {
			return fmt.Errorf("iggy: %s: the %s's name has %d bytes, it must have 1 to %d", op, whatAndName[i], n, maxName)
		}
	}
	return nil
}

// CheckCredentials refuses names, passwords and tokens that no request can contain. Its errors
// match iggyerr.ErrCredentials and contain no secret.
func CheckCredentials(c Credentials) error {
	check := func(what, s string) error {
		if n := len(s); n == 0 || n > maxName {
			return fmt.Errorf("%w: the %s has %d bytes, it must have 1 to %d", iggyerr.ErrCredentials, what, n, maxName)
		}
		return nil
	}
	if c.Token != "" {
		return check("token", c.Token)
	}
	if err := check("user name", c.Username); err != nil {
		return err
	}
	return check("password", c.Password)
}
