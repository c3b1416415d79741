package embedded

import (
	"encoding/binary"
	"strconv"
	"strings"
)

const (
	minNameLength     = 3
	maxUsernameLength = 50
	maxPasswordLength = 100
)

// loginUser reads `[name user][u8 length][password][u32 length][version][u32 length][context]` and answers the user's
// number, u32. It needs no login, and a second one replaces the first.
func (c *conn) loginUser(d *decoder) Status {
	username := d.name()
	password := d.text(int(d.u8()))
	d.text(int(d.u32()))
	d.text(int(d.u32()))
	if d.status != StatusOK {
		return d.status
	}
	if len(username) < minNameLength || len(username) > maxUsernameLength {
		return StatusInvalidUsername
	}
	if len(password) < minNameLength || len(password) > maxPasswordLength {
		return StatusInvalidPassword
	}
	// A name that is a number is taken for one, as on the real server.
	id := identifier{named: true, name: username}
	if n, err := strconv.ParseUint(strings.TrimPrefix(username, "+"), 10, 32); err == nil {
		id = identifier{id: uint32(n)}
	}
	user, st := c.server.users.authenticate(id, password)
	if st != StatusOK {
		return st
	}
	return c.login(user)
}

// loginWithToken reads `[name token]` and answers the user's number, u32.
func (c *conn) loginWithToken(d *decoder) Status {
	token := d.name()
	if d.status != StatusOK {
		return d.status
	}
	user, st := c.server.users.authenticateToken(token, c.server.now())
	if st != StatusOK {
		return st
	}
	return c.login(user)
}

func (c *conn) login(user uint32) Status {
	c.user.Store(user)
	c.server.clients.setUser(c.clientID, user)
	c.out = binary.LittleEndian.AppendUint32(c.out, user)
	return StatusOK
}

// logoutUser has no body. The connection stays open and stays in its groups.
func (c *conn) logoutUser(d *decoder) Status {
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.server.clients.exists(c.clientID) {
		return StatusClientNotFound
	}
	c.user.Store(noUser)
	c.server.clients.setUser(c.clientID, noUser)
	return StatusOK
}
