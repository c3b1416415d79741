package embedded

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"sync"
)

const (
	userActive   = 1
	userInactive = 2
	rootUser     = 0
)

// users are those who may log in, with their permissions and tokens.
type users struct {
	mu     sync.RWMutex
	byID   slab[user]
	byName map[string]*user
}

type user struct {
	id          uint32
	name        string
	created     uint64
	status      uint8
	salt        [16]byte
	password    [32]byte
	permissions *permissions
	tokens      map[string]token
}

func newUsers(root, password string, now uint64) *users {
	us := &users{byName: map[string]*user{}}
	us.add(root, password, userActive, rootPermissions(), now)
	return us
}

func (us *users) add(name, password string, status uint8, p *permissions, now uint64) *user {
	u := &user{name: name, created: now, status: status, permissions: p, tokens: map[string]token{}}
	u.setPassword(password)
	u.id = us.byID.insert(u)
	us.byName[name] = u
	return u
}

func (u *user) setPassword(password string) {
	_, _ = rand.Read(u.salt[:])
	u.password = u.digest(password)
}

func (u *user) digest(password string) [32]byte {
	return sha256.Sum256(append(u.salt[:], password...))
}

func (u *user) hasPassword(password string) bool {
	given := u.digest(password)
	return subtle.ConstantTimeCompare(given[:], u.password[:]) == 1
}

func (us *users) find(id identifier) *user {
	if id.named {
		return us.byName[id.name]
	}
	return us.byID.get(id.id)
}

func (us *users) permissions(id uint32) *permissions {
	us.mu.RLock()
	defer us.mu.RUnlock()
	if u := us.byID.get(id); u != nil {
		return u.permissions
	}
	return nil
}

func (us *users) authenticate(id identifier, password string) (uint32, Status) {
	us.mu.RLock()
	defer us.mu.RUnlock()
	u := us.find(id)
	switch {
	case u == nil:
		return 0, StatusInvalidCredentials
	case u.status != userActive:
		return 0, StatusUserInactive
	case !u.hasPassword(password):
		return 0, StatusInvalidCredentials
	}
	return u.id, StatusOK
}

// forgetStream takes a deleted stream out of all permissions, since its number may be given again.
func (us *users) forgetStream(stream uint32) {
	us.mu.Lock()
	defer us.mu.Unlock()
	us.byID.each(func(_ uint32, u *user) {
		if u.permissions == nil {
			return
		}
		if _, ok := u.permissions.streams[stream]; !ok {
			return
		}
		// Permissions are read without the lock once looked up, so they are replaced and not changed.
		p := &permissions{global: u.permissions.global, streams: map[uint32]streamPermissions{}}
		for id, sp := range u.permissions.streams {
			if id != stream {
				p.streams[id] = sp
			}
		}
		u.permissions = p
	})
}

// appendUser writes `[u32 id][u64 created][u8 status][name]`.
func appendUser(b []byte, u *user) []byte {
	b = binary.LittleEndian.AppendUint32(b, u.id)
	b = binary.LittleEndian.AppendUint64(b, u.created)
	b = append(b, u.status)
	return appendName(b, u.name)
}

// appendUserDetails is appendUser followed by `[u8 1][u32 length][permissions]`, or by four zeros without any.
func appendUserDetails(b []byte, u *user) []byte {
	b = appendUser(b, u)
	if u.permissions == nil {
		return append(b, 0, 0, 0, 0)
	}
	b = append(b, 1, 0, 0, 0, 0)
	start := len(b)
	b = appendPermissions(b, u.permissions)
	binary.LittleEndian.PutUint32(b[start-4:], uint32(len(b)-start))
	return b
}

// getUser reads `[identifier]` and answers the user, or nothing. Everyone may ask for himself.
func (c *conn) getUser(d *decoder) Status {
	id := d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	us := c.server.users
	us.mu.RLock()
	u := us.find(id)
	self := u != nil && u.id == c.user.Load() || u == nil && !id.named && id.id == c.user.Load()
	us.mu.RUnlock()
	if u == nil && id.named {
		return StatusOK
	}
	if !self && !c.allowed(canReadUsers) {
		return StatusUnauthorized
	}
	if u != nil {
		us.mu.RLock()
		c.out = appendUserDetails(c.out, u)
		us.mu.RUnlock()
	}
	return StatusOK
}

// getUsers has no body and answers all users, without their permissions.
func (c *conn) getUsers(d *decoder) Status {
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canReadUsers) {
		return StatusUnauthorized
	}
	us := c.server.users
	us.mu.RLock()
	defer us.mu.RUnlock()
	us.byID.each(func(_ uint32, u *user) { c.out = appendUser(c.out, u) })
	return StatusOK
}

func validUserStatus(status uint8) bool { return status == userActive || status == userInactive }

// createUser reads `[name][u8 length][password][u8 status][u8 present][u32 length][permissions]` and answers the user.
// Status 1 is active, 2 inactive.
func (c *conn) createUser(d *decoder) Status {
	name := d.name()
	password := d.text(int(d.u8()))
	status := d.u8()
	perms := d.optionalPermissions()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canManageUsers) {
		return StatusUnauthorized
	}
	if len(name) < minNameLength || len(name) > maxUsernameLength {
		return StatusInvalidUsername
	}
	if len(password) < minNameLength || len(password) > maxPasswordLength {
		return StatusInvalidPassword
	}
	if !validUserStatus(status) {
		return StatusInvalidCommand
	}
	us := c.server.users
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.byName[name] != nil {
		return StatusUserAlreadyExists
	}
	u := us.add(name, password, status, perms, c.server.now())
	c.server.catalog.countChanges(1)
	c.out = appendUserDetails(c.out, u)
	return StatusOK
}

// deleteUser reads `[identifier]`. The root user stays.
func (c *conn) deleteUser(d *decoder) Status {
	id := d.identifier()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canManageUsers) {
		return StatusUnauthorized
	}
	return c.changeUser(id, func(us *users, u *user) Status {
		if u.id == rootUser {
			return StatusCannotDeleteUser
		}
		us.byID.remove(u.id)
		delete(us.byName, u.name)
		c.server.clients.removeUser(u.id)
		return StatusOK
	})
}

// changeUser finds a user and changes him under the lock.
func (c *conn) changeUser(id identifier, change func(*users, *user) Status) Status {
	us := c.server.users
	us.mu.Lock()
	defer us.mu.Unlock()
	u := us.find(id)
	if u == nil {
		return StatusResourceNotFound
	}
	if st := change(us, u); st != StatusOK {
		return st
	}
	c.server.catalog.countChanges(1)
	return StatusOK
}

// updateUser reads `[identifier][u8 present][name][u8 present][u8 status]`; what is not present is not there.
func (c *conn) updateUser(d *decoder) Status {
	id := d.identifier()
	var name string
	hasName := d.u8() == 1
	if hasName {
		name = d.name()
	}
	var status uint8
	hasStatus := d.u8() == 1
	if hasStatus {
		status = d.u8()
	}
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canManageUsers) {
		return StatusUnauthorized
	}
	if hasName && (len(name) < minNameLength || len(name) > maxUsernameLength) {
		return StatusInvalidUsername
	}
	if hasStatus && !validUserStatus(status) {
		return StatusInvalidCommand
	}
	return c.changeUser(id, func(us *users, u *user) Status {
		if hasName {
			if other := us.byName[name]; other != nil && other != u {
				return StatusUserAlreadyExists
			}
			delete(us.byName, u.name)
			u.name = name
			us.byName[name] = u
		}
		if hasStatus {
			u.status = status
		}
		return StatusOK
	})
}

// updatePermissions reads `[identifier][u8 present][u32 length][permissions]`. Those of the root user stay.
func (c *conn) updatePermissions(d *decoder) Status {
	id := d.identifier()
	perms := d.optionalPermissions()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if !c.allowed(canManageUsers) {
		return StatusUnauthorized
	}
	return c.changeUser(id, func(_ *users, u *user) Status {
		if u.id == rootUser {
			return StatusCannotChangePermission
		}
		u.permissions = perms
		return StatusOK
	})
}

// changePassword reads `[identifier][u8 length][current password][u8 length][new password]`. Everyone may change his own.
func (c *conn) changePassword(d *decoder) Status {
	id := d.identifier()
	current := d.text(int(d.u8()))
	changed := d.text(int(d.u8()))
	if st := c.admit(d); st != StatusOK {
		return st
	}
	for _, p := range []string{current, changed} {
		if len(p) < minNameLength || len(p) > maxPasswordLength {
			return StatusInvalidPassword
		}
	}
	us := c.server.users
	us.mu.RLock()
	u := us.find(id)
	us.mu.RUnlock()
	if u == nil {
		return StatusResourceNotFound
	}
	if u.id != c.user.Load() && !c.allowed(canManageUsers) {
		return StatusUnauthorized
	}
	us.mu.Lock()
	defer us.mu.Unlock()
	if !u.hasPassword(current) {
		return StatusInvalidCredentials
	}
	u.setPassword(changed)
	c.server.catalog.countChanges(1)
	return StatusOK
}
