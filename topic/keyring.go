package topic

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// keySize is that of AES-256, in bytes.
const keySize = 32

// keyID keeps ids short, and fit to be logged.
var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Keyring holds the keys of encrypted topics by their ids. It is immutable and safe for concurrent
// use, and shows none of its keys when it is printed. Make one with NewKeyring.
type Keyring struct {
	current string
	keys    map[string]cipher.AEAD
}

// NewKeyring is a keyring of keys for AES-256-GCM, 32 random bytes each. Messages are encrypted with the
// one whose id is current; the others are there to read what was written with them. Ids have 1 to 64
// letters, digits, dots, dashes and underscores, and stand in the open in each message.
//
// To change the key, give the new one to all who read, then make it the current one of those who write. An old one
// may go when the topic's retention has passed. A key is good for 2^32 messages, since nonces are random.
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
