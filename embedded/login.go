package embedded

import (
	"encoding/binary"
	"strconv"
	"strings"
)

func (c *conn) ping(none) Status { return StatusOK }

type loginRequest struct{ username, password string }

// loginRequest reads `[name user][u8 length][password][u32 length][version][u32 length][context]`.
func (d *decoder) loginRequest() loginRequest {
	r := loginRequest{username: d.name(), password: d.password()}
	d.text(int(d.u32()))
	d.text(int(d.u32()))
	return r
}

// loginUser answers the number of the user, u32. A second login replaces the first.
func (c *conn) loginUser(r loginRequest) Status {
	if !validUsername(r.username) {
		return StatusInvalidUsername
	}
	if !validPassword(r.password) {
		return StatusInvalidPassword
	}
	// A name made of digits is the number of a user, as on the real server.
	id := nameIdentifier(r.username)
	if n, err := strconv.ParseUint(strings.TrimPrefix(r.username, "+"), 10, 32); err == nil {
		id = identifier{id: uint32(n)}
	}
	user, st := c.server.users.authenticate(id, r.password)
	if st != StatusOK {
		return st
	}
	return c.login(user)
}

// loginWithToken answers the number of the user, u32.
func (c *conn) loginWithToken(token string) Status {
	user, st := c.server.users.authenticateToken(token, c.server.now())
	if st != StatusOK {
		return st
	}
	return c.login(user)
}

func (c *conn) login(user uint32) Status {
	c.setUser(user)
	c.out = binary.LittleEndian.AppendUint32(c.out, user)
	return StatusOK
}

// logoutUser ends the login. The connection stays open and stays in its groups.
func (c *conn) logoutUser(none) Status {
	if !c.server.clients.exists(c.clientID) {
		return StatusClientNotFound
	}
	c.setUser(noUser)
	return StatusOK
}

// setUser notes who is logged in, noUser for nobody.
func (c *conn) setUser(user uint32) {
	before := c.user.Swap(user)
	c.server.clients.setUser(c.clientID, user)
	if (before == noUser) != (user == noUser) {
		c.server.setLogin(c, user != noUser)
		c.limitLogin()
	}
}
