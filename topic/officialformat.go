package topic

import (
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// HeaderCipher is implemented by codecs that encrypt all headers of a message together, as
// OfficialFormat does. Producers and consumers of this library use it; headers in a RawMessage stay
// encrypted.
type HeaderCipher interface {
	// EncryptHeaders returns the encrypted form of encoded headers, of which there is at least one.
	EncryptHeaders(encoded []byte) []byte
	// DecryptHeaders returns the encoded headers of a message; the error matches ErrDecrypt.
	DecryptHeaders(encrypted []byte) ([]byte, error)
}

// OfficialFormat has Encrypted read and write what the encryptors of the official clients do, such as
// Aes256GcmEncryptor of the Rust client and AesMessageEncryptor of the C# client. So services in
// several languages share a topic and its key. A payload is
//
//	nonce, 12 bytes | ciphertext | tag, 16 bytes
//
// and the headers of a message are encrypted as one in the same way. All services must
// know how payloads are encoded; the header content-type names it, within the encrypted headers.
//
// The form does not name its key: Decode tries those of the keyring, the current one first. Nor does
// it authenticate the type of a message, or that payload and headers belong together. Each message
// takes two of the 2^32 nonces for which a key is good. Where nothing but this library reads a topic,
// leave the option out.
//
// A message that is published again by deadletter.Replay has the header replay-of, which is not
// encrypted, before the others. This library reads it; the official clients do not.
func OfficialFormat() EncryptedOption { return func(o *encryptedOptions) { o.official = true } }

// officialCodec encrypts like the official clients.
type officialCodec[T any] struct {
	inner Codec[T]
	keys  *Keyring
}

func (c officialCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	return appendSealed(c.inner, c.keys.keys[c.keys.current], dst, nil, func([]byte) []byte { return nil }, v)
}

func (c officialCodec[T]) Decode(payload []byte, headers Headers) (T, error) {
	plain, err := c.decrypt("payload", payload)
	if err != nil {
		var zero T
		return zero, err
	}
	return c.inner.Decode(plain, headers)
}

// decrypt returns the plain form of a payload or of headers. Its errors quote nothing of it.
func (c officialCodec[T]) decrypt(what string, encrypted []byte) ([]byte, error) {
	for _, id := range c.keys.ids {
		aead := c.keys.keys[id]
		if len(encrypted) < aead.NonceSize()+aead.Overhead() {
			return nil, fmt.Errorf("%w: the %s is too short to be encrypted", ErrDecrypt, what)
		}
		if plain, err := aead.Open(nil, encrypted[:aead.NonceSize()], encrypted[aead.NonceSize():], nil); err == nil {
			return plain, nil
		}
	}
	return nil, fmt.Errorf("%w the %s: encrypted with no key of the keyring, in another way or not at all, or changed", ErrDecrypt, what)
}

// EncryptHeaders implements HeaderCipher.
func (c officialCodec[T]) EncryptHeaders(encoded []byte) []byte {
	aead := c.keys.keys[c.keys.current]
	nonce := newNonce(aead)
	return aead.Seal(nonce, nonce, encoded, nil)
}

// DecryptHeaders implements HeaderCipher.
func (c officialCodec[T]) DecryptHeaders(encrypted []byte) ([]byte, error) {
	if len(encrypted) == 0 {
		return nil, nil
	}
	key, _, rest, err := wire.NextHeader(encrypted)
	if err != nil || key != HeaderReplayOf {
		return c.decrypt("headers", encrypted)
	}
	added := encrypted[: len(encrypted)-len(rest) : len(encrypted)-len(rest)]
	if len(rest) == 0 {
		return added, nil
	}
	plain, err := c.decrypt("headers", rest)
	return append(added, plain...), err
}

func (c officialCodec[T]) ContentType() string { return c.inner.ContentType() }
func (c officialCodec[T]) MessageType() string { return c.inner.MessageType() }

// officialHeaderCodec is an officialCodec of a codec that describes each message by itself.
type officialHeaderCodec[T any] struct {
	officialCodec[T]
	HeaderEncoder[T]
}

func newNonce(aead cipher.AEAD) []byte {
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	return nonce
}
