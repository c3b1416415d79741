package topic

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
)

// ErrDecrypt is returned for a payload that is not encrypted, that is encrypted with a key outside
// of the keyring or as another type of message, or that has been changed. Consumers treat such a
// message as one that cannot be decoded.
var ErrDecrypt = errors.New("topic: cannot decrypt")

// encryptedMark is the beginning of each encrypted payload. Its last byte is the version. No
// protobuf message and no JSON begins like it.
var encryptedMark = []byte{0xfb, 'i', 'e', 1}

// ContentTypeEncrypted is the media type of encrypted payloads.
const ContentTypeEncrypted = "application/vnd.iggy-client.encrypted"

// Encrypted returns a codec that encrypts the payloads of codec by AES-256-GCM. Only holders of the
// key can read or make them; the server and those who read its disks can not.
//
// Not encrypted are the length of a message, its time, its headers and so the message type. The
// partition, which depends on the key, is visible, too. A dead letter is encrypted only when the
// codec of its own topic is.
//
// Decode refuses a payload that is not encrypted, so encryption can't be turned on for a topic that
// holds messages. Compression gains nothing on encrypted payloads. The payload is
//
//	fb 69 65 01 | length of the key's id, u8 | id | nonce, 12 bytes | ciphertext | tag, 16 bytes
//
// The part before the ciphertext, followed by the message type, is authenticated as well.
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
	// A codec that returns a slice of its own works elsewhere, where dst is empty. Here, the first
	// bytes of its message would stay unencrypted.
	if len(longer) < sealed || !bytes.Equal(longer[begin:sealed], dst[begin:sealed]) {
		return dst[:begin], fmt.Errorf("topic: encode %s: its codec does not append to what it is given", reflect.TypeFor[T]())
	}
	return aead.Seal(longer[:sealed], nonce, longer[sealed:], c.additionalData(longer[begin:sealed])), nil
}

func (c encryptedCodec[T]) Decode(payload []byte) (T, error) {
	plain, err := c.decrypt(payload)
	if err != nil {
		var zero T
		return zero, err
	}
	return c.inner.Decode(plain)
}

// decrypt returns the plain payload. Its errors quote nothing of the payload, which may be plain
// text.
func (c encryptedCodec[T]) decrypt(payload []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(payload, encryptedMark)
	if !ok {
		return nil, fmt.Errorf("%w: the payload is not encrypted, or in another way", ErrDecrypt)
	}
	if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
		return nil, fmt.Errorf("%w: the payload is truncated", ErrDecrypt)
	}
	id, rest := string(rest[1:1+int(rest[0])]), rest[1+int(rest[0]):]
	aead := c.keys.keys[id]
	switch {
	case aead == nil && keyID.MatchString(id):
		return nil, fmt.Errorf("%w: no key %s", ErrDecrypt, id)
	case aead == nil:
		return nil, fmt.Errorf("%w: no such key", ErrDecrypt)
	case len(rest) < aead.NonceSize():
		return nil, fmt.Errorf("%w: the payload is truncated", ErrDecrypt)
	}
	nonce, sealed := rest[:aead.NonceSize()], rest[aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, sealed, c.additionalData(payload[:len(payload)-len(sealed)]))
	if err != nil {
		return nil, fmt.Errorf("%w with key %s: another key of that id, another type of message, or a change on the way", ErrDecrypt, id)
	}
	return plain, nil
}

// additionalData returns the bytes that are authenticated but not encrypted.
func (c encryptedCodec[T]) additionalData(prefix []byte) []byte {
	return append(bytes.Clone(prefix), c.inner.MessageType()...)
}

func (encryptedCodec[T]) ContentType() string   { return ContentTypeEncrypted }
func (c encryptedCodec[T]) MessageType() string { return c.inner.MessageType() }
