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

// token is a personal access token. Only its hash is kept. An expiry of 0 means never.
type token struct {
	name   string
	hash   [32]byte
	expiry uint64
}

// authenticateToken returns the number of the user that has this token.
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

// getTokens answers the user's own tokens, `[name][u64 expiry]` each, sorted by name.
func (c *conn) getTokens(u *user, _ none) Status {
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

type createTokenRequest struct {
	name     string
	lifetime uint64
}

// createTokenRequest reads `[name][u64 lifetime in microseconds]`. A lifetime of 0 and the largest
// number mean that the token does not expire.
func (d *decoder) createTokenRequest() createTokenRequest {
	r := createTokenRequest{name: d.name(), lifetime: d.u64()}
	if len(r.name) < minNameLength || len(r.name) > maxTokenName {
		d.reject(StatusInvalidTokenName)
	}
	return r
}

// createToken answers `[name token]`.
func (c *conn) createToken(u *user, r createTokenRequest) Status {
	if len(u.tokens) >= maxTokensPerUser {
		return StatusTokenLimitReached
	}
	if _, ok := u.tokens[r.name]; ok {
		return StatusTokenAlreadyExists
	}
	var secret [tokenBytes]byte
	_, _ = rand.Read(secret[:])
	raw := base64.StdEncoding.EncodeToString(secret[:])
	t := token{name: r.name, hash: sha256.Sum256([]byte(raw))}
	if now := c.server.now(); r.lifetime != 0 && r.lifetime < math.MaxUint64-now {
		t.expiry = now + r.lifetime
	}
	u.tokens[r.name] = t
	c.out = appendName(c.out, raw)
	return StatusOK
}

func (c *conn) deleteToken(u *user, name string) Status {
	if _, ok := u.tokens[name]; !ok {
		return StatusResourceNotFound
	}
	delete(u.tokens, name)
	return StatusOK
}
