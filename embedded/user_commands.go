package embedded

func validUserStatus(status uint8) bool { return status == userActive || status == userInactive }

func validUsername(name string) bool {
	return len(name) >= minNameLength && len(name) <= maxUsernameLength
}

func validPassword(password string) bool {
	return len(password) >= minNameLength && len(password) <= maxPasswordLength
}

// password reads `[u8 length][password]`.
func (d *decoder) password() string { return d.text(int(d.u8())) }

// getUser answers a user, or nothing when there is none. Users may ask for themselves without a
// permission.
func (c *conn) getUser(us *users, id identifier) Status {
	self := c.user.Load()
	u := us.find(id)
	if u == nil && id.named {
		return StatusOK
	}
	isSelf := u != nil && u.id == self || u == nil && id.id == self
	if !isSelf {
		p := us.permissionsLocked(self)
		if p == nil || !canReadUsers(p) {
			return StatusUnauthorized
		}
	}
	if u != nil {
		c.out = appendUserDetails(c.out, u)
	}
	return StatusOK
}

// getUsers answers all users, without their permissions.
func (c *conn) getUsers(us *users, _ none) Status {
	us.byID.each(func(_ uint32, u *user) { c.out = appendUser(c.out, u) })
	return StatusOK
}

type createUserRequest struct {
	name, password string
	status         uint8
	permissions    *permissions
}

// createUserRequest reads `[name][u8 length][password][u8 status][u8 present][u32 length]
// [permissions]`. Status 1 is active, 2 inactive.
func (d *decoder) createUserRequest() createUserRequest {
	return createUserRequest{
		name: d.name(), password: d.password(), status: d.u8(), permissions: d.optionalPermissions(),
	}
}

// createUser answers the new user.
func (c *conn) createUser(us *users, r createUserRequest) Status {
	switch {
	case !validUsername(r.name):
		return StatusInvalidUsername
	case !validPassword(r.password):
		return StatusInvalidPassword
	case !validUserStatus(r.status):
		return StatusInvalidCommand
	case us.byName[r.name] != nil:
		return StatusUserAlreadyExists
	}
	c.out = appendUserDetails(c.out, us.add(r.name, r.password, r.status, r.permissions, c.server.now()))
	return StatusOK
}

// deleteUser deletes a user other than root.
func (c *conn) deleteUser(us *users, id identifier) Status {
	u := us.find(id)
	switch {
	case u == nil:
		return StatusResourceNotFound
	case u.id == rootUser:
		return StatusCannotDeleteUser
	}
	us.byID.remove(u.id)
	delete(us.byName, u.name)
	c.server.clients.removeUser(u.id)
	return StatusOK
}

type updateUserRequest struct {
	id        identifier
	hasName   bool
	name      string
	hasStatus bool
	status    uint8
}

// updateUserRequest reads `[identifier][u8 present][name][u8 present][u8 status]`. A field that is
// not present takes no bytes.
func (d *decoder) updateUserRequest() updateUserRequest {
	r := updateUserRequest{id: d.identifier()}
	if r.hasName = d.u8() == 1; r.hasName {
		r.name = d.name()
	}
	if r.hasStatus = d.u8() == 1; r.hasStatus {
		r.status = d.u8()
	}
	return r
}

// updateUser changes the name and the status.
func (c *conn) updateUser(us *users, r updateUserRequest) Status {
	switch {
	case r.hasName && !validUsername(r.name):
		return StatusInvalidUsername
	case r.hasStatus && !validUserStatus(r.status):
		return StatusInvalidCommand
	}
	u := us.find(r.id)
	if u == nil {
		return StatusResourceNotFound
	}
	if r.hasName {
		if other := us.byName[r.name]; other != nil && other != u {
			return StatusUserAlreadyExists
		}
		delete(us.byName, u.name)
		u.name = r.name
		us.byName[r.name] = u
	}
	if r.hasStatus {
		u.status = r.status
	}
	return StatusOK
}

type updatePermissionsRequest struct {
	id          identifier
	permissions *permissions
}

// updatePermissionsRequest reads `[identifier][u8 present][u32 length][permissions]`.
func (d *decoder) updatePermissionsRequest() updatePermissionsRequest {
	return updatePermissionsRequest{id: d.identifier(), permissions: d.optionalPermissions()}
}

// updatePermissions replaces the permissions of a user other than root.
func (c *conn) updatePermissions(us *users, r updatePermissionsRequest) Status {
	u := us.find(r.id)
	switch {
	case u == nil:
		return StatusResourceNotFound
	case u.id == rootUser:
		return StatusCannotChangePermission
	}
	u.permissions = r.permissions
	return StatusOK
}

type changePasswordRequest struct {
	id                identifier
	current, password string
}

// changePasswordRequest reads `[identifier][u8 length][current password][u8 length][new password]`.
func (d *decoder) changePasswordRequest() changePasswordRequest {
	r := changePasswordRequest{id: d.identifier(), current: d.password(), password: d.password()}
	if !validPassword(r.current) || !validPassword(r.password) {
		d.reject(StatusInvalidPassword)
	}
	return r
}

// changePassword changes the password of a user. Users may change their own without a permission.
func (c *conn) changePassword(us *users, r changePasswordRequest) Status {
	u := us.find(r.id)
	if u == nil {
		return StatusResourceNotFound
	}
	if self := c.user.Load(); u.id != self {
		p := us.permissionsLocked(self)
		if p == nil || !canManageUsers(p) {
			return StatusUnauthorized
		}
	}
	if !u.hasPassword(r.current) {
		return StatusInvalidCredentials
	}
	u.setPassword(r.password)
	return StatusOK
}
