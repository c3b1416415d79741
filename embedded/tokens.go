package embedded

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

const (
	maxTokenName     = 30
	maxTokensPerUser = 100
	tokenBytes       = 50
)

// token is a personal access token. The token itself is shown once, when it is created; here is its hash. An expiry of
// 0 means never.
type token struct {
	name   string
	hash   [32]byte
	expiry uint64
}

func (us *users) authenticateToken(raw string, now uint64) (uint32, Status) {
	hash := sha256.Sum256([]byte(raw))
	us.mu.RLock()
	defer us.mu.RUnlock()
	id, st := uint32(0), StatusResourceNotFound
	us.byID.each(func(_ uint32, u *user) {
		for _, t := range u.tokens {
			if t.hash != hash {
				continue
			}
			switch {
			case t.expiry != 0 && t.expiry <= now:
				st = StatusTokenExpired
			case u.status != userActive:
				st = StatusUserInactive
			default:
				id, st = u.id, StatusOK
			}
		}
	})
	return id, st
}

// getTokens has no body and answers the user's own tokens, `[name][u64 expiry]` each, in the order of their names.
func (c *conn) getTokens(d *decoder) Status {
	if st := c.admit(d); st != StatusOK {
		return st
	}
	us := c.server.users
	us.mu.RLock()
	defer us.mu.RUnlock()
	u := us.byID.get(c.user.Load())
	if u == nil {
		return StatusResourceNotFound
	}
	var all []token
	for _, t := range u.tokens {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b token) int { return strings.Compare(a.name, b.name) })
	for _, t := range all {
		c.out = appendName(c.out, t.name)
		c.out = binary.LittleEndian.AppendUint64(c.out, t.expiry)
	}
	return StatusOK
}

// createToken reads `[name][u64 microseconds to live]` and answers `[name token]`. 0 and the largest number mean for
// ever.
func (c *conn) createToken(d *decoder) Status {
	name, life := d.name(), d.u64()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	if len(name) < minNameLength || len(name) > maxTokenName {
		return StatusInvalidTokenName
	}
	us := c.server.users
	us.mu.Lock()
	defer us.mu.Unlock()
	u := us.byID.get(c.user.Load())
	if u == nil {
		return StatusResourceNotFound
	}
	if len(u.tokens) >= maxTokensPerUser {
		return StatusTokenLimitReached
	}
	if _, ok := u.tokens[name]; ok {
		return StatusTokenAlreadyExists
	}
	var secret [tokenBytes]byte
	_, _ = rand.Read(secret[:])
	raw := base64.StdEncoding.EncodeToString(secret[:])
	t := token{name: name, hash: sha256.Sum256([]byte(raw))}
	if now := c.server.now(); life != 0 && life < math.MaxUint64-now {
		t.expiry = now + life
	}
	u.tokens[name] = t
	c.server.catalog.countChanges(1)
	c.out = appendName(c.out, raw)
	return StatusOK
}

// deleteToken reads `[name]`.
func (c *conn) deleteToken(d *decoder) Status {
	name := d.name()
	if st := c.admit(d); st != StatusOK {
		return st
	}
	us := c.server.users
	us.mu.Lock()
	defer us.mu.Unlock()
	u := us.byID.get(c.user.Load())
	if u == nil {
		return StatusResourceNotFound
	}
	if _, ok := u.tokens[name]; !ok {
		return StatusResourceNotFound
	}
	delete(u.tokens, name)
	c.server.catalog.countChanges(1)
	return StatusOK
}
