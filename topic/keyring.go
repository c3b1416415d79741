package topic

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
)

// keySize is the size of an AES-256 key in bytes.
const keySize = 32

// keyID matches valid ids of keys: short, and safe to log.
var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Keyring holds the keys of encrypted topics by their ids. It is immutable and safe for concurrent
// use, and prints no key. Make one with NewKeyring.
type Keyring struct {
	current string
	keys    map[string]cipher.AEAD
	ids     []string // the current one first
}

// NewKeyring returns a keyring of keys for AES-256-GCM with 32 random bytes each. Messages are
// encrypted with the key whose id is current; the other keys decrypt older messages. Ids have 1 to
// 64 letters, digits, dots, dashes and underscores, and are part of each message, unencrypted.
//
// To change the key, first give the new one to all readers, then make it the current one of the
// writers. Remove the old one when the topic's retention has passed. A key is good for 2^32
// messages, since nonces are random.
func NewKeyring(current string, keys map[string][]byte) (*Keyring, error) {
	k := &Keyring{current: current, keys: make(map[string]cipher.AEAD, len(keys))}
	for id, key := range keys {
		if !keyID.MatchString(id) {
			return nil, errors.New("topic: keyring: the id of a key must have 1 to 64 letters, digits, dots, dashes or underscores")
		}
		if len(key) != keySize {
			return nil, fmt.Errorf("topic: keyring: key %s has %d bytes, it must have %d", id, len(key), keySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("topic: keyring: key %s: %w", id, err)
		}
		if k.keys[id], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("topic: keyring: key %s: %w", id, err)
		}
	}
	if k.keys[current] == nil {
		return nil, errors.New("topic: keyring: the current key is not among the keys")
	}
	k.ids = []string{current}
	for _, id := range slices.Sorted(maps.Keys(k.keys)) {
		if id != current {
			k.ids = append(k.ids, id)
		}
	}
	return k, nil
}

// Format prints the id of the current key for every verb, and never a key.
func (k *Keyring) Format(f fmt.State, _ rune) {
	if k == nil {
		_, _ = io.WriteString(f, "keyring(none)")
		return
	}
	_, _ = fmt.Fprintf(f, "keyring(%s)", k.current)
}
