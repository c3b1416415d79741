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

	minNameLength     = 3
	maxUsernameLength = 50
	maxPasswordLength = 100
)

// users are the users with their permissions and tokens.
type users struct {
	mu     sync.RWMutex
	byID   slab[user]
	byName map[string]*user
}

type user struct {
	id       uint32
	name     string
	created  uint64
	status   uint8
	salt     [16]byte
	password [32]byte // salted hash
	// permissions are replaced and never changed, since they are used without the lock. nil means
	// that the user has none.
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

// permissions returns what a user may do, nil when that is nothing.
func (us *users) permissions(id uint32) *permissions {
	us.mu.RLock()
	defer us.mu.RUnlock()
	return us.permissionsLocked(id)
}

func (us *users) permissionsLocked(id uint32) *permissions {
	if u := us.byID.get(id); u != nil {
		return u.permissions
	}
	return nil
}

// authenticate returns the number of the user that has this password.
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

// removeStreamPermissions removes a deleted stream from all permissions, since its number may be
// given to another one.
func (us *users) removeStreamPermissions(stream uint32) {
	us.mu.Lock()
	defer us.mu.Unlock()
	us.byID.each(func(_ uint32, u *user) {
		if u.permissions == nil {
			return
		}
		if _, ok := u.permissions.streams[stream]; ok {
			u.permissions = u.permissions.withoutStream(stream)
		}
	})
}

// appendUser writes `[u32 id][u64 created][u8 status][name]`.
func appendUser(b []byte, u *user) []byte {
	b = binary.LittleEndian.AppendUint32(b, u.id)
	b = binary.LittleEndian.AppendUint64(b, u.created)
	b = append(b, u.status)
	return appendName(b, u.name)
}

// appendUserDetails writes what appendUser does and `[u8 1][u32 length][permissions]`, or four
// zeros when there are no permissions.
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
