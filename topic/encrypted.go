package topic

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
)

// ErrDecrypt is what a payload is refused with that was not encrypted, or not with a key of the keyring, or not as this type of
// message, or that was changed on the way. Consumers give such a message up as one that can't be decoded.
var ErrDecrypt = errors.New("topic: cannot decrypt")

// encryptedMark begins each encrypted payload; its last byte is the version. No protobuf message and no JSON begins like it.
var encryptedMark = []byte{0xfb, 'i', 'e', 1}

// ContentTypeEncrypted is the media type of what Encrypted makes.
const ContentTypeEncrypted = "application/vnd.fetchbox.encrypted"

// Encrypted is codec with its payloads encrypted by AES-256-GCM, so that only who has the key can read them or make
// them: not the server, nor who reads its disks. What is not hidden: keys of partitions, which the server never sees, have their effect on
// where a message is; the length of a message, its headers with the message type, and its time are in the open. So is a dead letter,
// unless its topic is encrypted, too.
//
// A payload that is not encrypted is refused, so an existing topic can't become an encrypted one with messages in it. Compression
// gains nothing here. The payload is
//
//	fb 69 65 01 | length of the key's id, u8 | id | nonce, 12 bytes | ciphertext | tag, 16 bytes
//
// and what stands before the ciphertext, followed by the message type, is authenticated with it.
//
// It panics when codec or keys is nil, like New.
func Encrypted[T any](codec Codec[T], keys *Keyring) Codec[T] {
	if codec == nil || keys == nil {
		panic("topic: Encrypted: no codec or no keyring")
	}
	return encryptedCodec[T]{inner: codec, keys: keys}
}

type encryptedCodec[T any] struct {
	inner Codec[T]
	keys  *Keyring
}

func (c encryptedCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	aead := c.keys.keys[c.keys.current]
	begin := len(dst)
	dst = append(dst, encryptedMark...)
	dst = append(dst, byte(len(c.keys.current)))
	dst = append(dst, c.keys.current...)
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	dst = append(dst, nonce...)
	sealed := len(dst)
	longer, err := c.inner.Append(dst, v)
	if err != nil {
		return dst[:begin], err
	}
	// A codec that makes a slice of its own works as long as nothing stands before the payload, and
	// would have the beginning of the message left in the open here.
	if len(longer) < sealed || !bytes.Equal(longer[begin:sealed], dst[begin:sealed]) {
		return dst[:begin], fmt.Errorf("topic: encode %s: its codec does not append to what it is given", reflect.TypeFor[T]())
	}
	return aead.Seal(longer[:sealed], nonce, longer[sealed:], c.bound(longer[begin:sealed])), nil
}

func (c encryptedCodec[T]) Decode(payload []byte) (T, error) {
	plain, err := c.open(payload)
	if err != nil {
		var zero T
		return zero, err
	}
	return c.inner.Decode(plain)
}

// open quotes nothing of a payload that is not an encrypted one.
func (c encryptedCodec[T]) open(payload []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(payload, encryptedMark)
	if !ok {
		return nil, fmt.Errorf("%w: the payload is not encrypted, or in another way", ErrDecrypt)
	}
	if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
		return nil, fmt.Errorf("%w: the payload is cut", ErrDecrypt)
	}
	id, rest := string(rest[1:1+int(rest[0])]), rest[1+int(rest[0]):]
	aead := c.keys.keys[id]
	switch {
	case aead == nil && keyID.MatchString(id):
		return nil, fmt.Errorf("%w: no key %s", ErrDecrypt, id)
	case aead == nil:
		return nil, fmt.Errorf("%w: no such key", ErrDecrypt)
	case len(rest) < aead.NonceSize():
		return nil, fmt.Errorf("%w: the payload is cut", ErrDecrypt)
	}
	nonce, sealed := rest[:aead.NonceSize()], rest[aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, sealed, c.bound(payload[:len(payload)-len(sealed)]))
	if err != nil {
		return nil, fmt.Errorf("%w with key %s: another key of that id, another type of message, or a change on the way", ErrDecrypt, id)
	}
	return plain, nil
}

// bound is what is authenticated beside the ciphertext.
func (c encryptedCodec[T]) bound(head []byte) []byte {
	return append(bytes.Clone(head), c.inner.MessageType()...)
}

func (encryptedCodec[T]) ContentType() string   { return ContentTypeEncrypted }
func (c encryptedCodec[T]) MessageType() string { return c.inner.MessageType() }
