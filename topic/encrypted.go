package topic

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"fmt"
	"mime"
	"reflect"
	"slices"
	"strings"
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
// The part before the ciphertext, followed by the message type, is authenticated as well. With
// OfficialFormat it is another one, which the official clients share.
//
// It panics when codec or keys is nil, like New.
func Encrypted[T any](codec Codec[T], keys *Keyring, opts ...EncryptedOption) Codec[T] {
	if codec == nil || keys == nil {
		panic("topic: Encrypted: no codec or no keyring")
	}
	var o encryptedOptions
	for i, opt := range opts {
		if opt == nil {
			panic(fmt.Sprintf("topic: Encrypted: option %d of %d is nil", i+1, len(opts)))
		}
		opt(&o)
	}
	headers, describes := codec.(HeaderEncoder[T])
	switch {
	case o.official && describes:
		return officialHeaderCodec[T]{officialCodec[T]{codec, keys}, headers}
	case o.official:
		return officialCodec[T]{codec, keys}
	case describes:
		return encryptedHeaderCodec[T]{encryptedCodec[T]{codec, keys}, headers}
	}
	return encryptedCodec[T]{codec, keys}
}

// EncryptedOption changes what Encrypted reads and writes.
type EncryptedOption func(*encryptedOptions)

type encryptedOptions struct{ official bool }

type encryptedCodec[T any] struct {
	inner Codec[T]
	keys  *Keyring
}

// encryptedHeaderCodec is an encryptedCodec of a codec that describes each message by itself.
type encryptedHeaderCodec[T any] struct {
	encryptedCodec[T]
	headers HeaderEncoder[T]
}

// Headers implements HeaderEncoder.
func (c encryptedHeaderCodec[T]) Headers(v T) ([]Header, error) {
	headers, err := c.headers.Headers(v)
	if err != nil {
		return nil, err
	}
	outer := Header{Key: HeaderContentType, Value: ContentTypeEncrypted}
	if inner := HeadersOf(headers...).Get(HeaderContentType); inner != "" {
		outer.Value = mime.FormatMediaType(ContentTypeEncrypted, map[string]string{plainType: inner})
	}
	return append(withoutHeader(headers, HeaderContentType), outer), nil
}

// plainType is the parameter of ContentTypeEncrypted with the content-type of the plain payload.
const plainType = "plain"

func (c encryptedHeaderCodec[T]) Decode(payload []byte, headers Headers) (T, error) {
	plain := withoutHeader(slices.Collect(headers.All()), HeaderContentType)
	if _, params, err := mime.ParseMediaType(headers.Get(HeaderContentType)); err == nil && params[plainType] != "" {
		plain = append(plain, Header{Key: HeaderContentType, Value: params[plainType]})
	}
	return c.encryptedCodec.Decode(payload, HeadersOf(plain...))
}

// withoutHeader returns a copy of headers without those of a key.
func withoutHeader(headers []Header, key string) []Header {
	return slices.DeleteFunc(slices.Clone(headers), func(h Header) bool { return strings.EqualFold(h.Key, key) })
}

func (c encryptedCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	prefix := append(append(slices.Clip(encryptedMark), byte(len(c.keys.current))), c.keys.current...)
	messageType := c.inner.MessageType()
	if named, ok := c.inner.(typeNamer[T]); ok {
		messageType = named.typeName(v)
	}
	return appendSealed(c.inner, c.keys.keys[c.keys.current], dst, prefix, func(before []byte) []byte {
		return additionalData(before, messageType)
	}, v)
}

// typeNamer is implemented by codecs of several types of messages, whose names are authenticated.
type typeNamer[T any] interface{ typeName(v T) string }

// appendSealed appends prefix, a nonce, and the encrypted payload of v. What additional returns for
// the bytes of prefix and nonce is authenticated, too.
func appendSealed[T any](codec Codec[T], aead cipher.AEAD, dst, prefix []byte, additional func([]byte) []byte, v T) ([]byte, error) {
	begin := len(dst)
	nonce := newNonce(aead)
	dst = append(append(dst, prefix...), nonce...)
	sealed := len(dst)
	longer, err := codec.Append(dst, v)
	if err != nil {
		return dst[:begin], err
	}
	// A codec that returns a slice of its own works elsewhere, where dst is empty. Here, the first
	// bytes of its message would stay unencrypted.
	if len(longer) < sealed || !bytes.Equal(longer[begin:sealed], dst[begin:sealed]) {
		return dst[:begin], fmt.Errorf("topic: encode %s: its codec does not append to what it is given", reflect.TypeFor[T]())
	}
	return aead.Seal(longer[:sealed], nonce, longer[sealed:], additional(longer[begin:sealed])), nil
}

func (c encryptedCodec[T]) Decode(payload []byte, headers Headers) (T, error) {
	messageType := c.inner.MessageType()
	if _, ok := c.inner.(typeNamer[T]); ok {
		messageType = headers.Get(HeaderMessageType)
	}
	plain, err := c.decrypt(payload, messageType)
	if err != nil {
		var zero T
		return zero, err
	}
	return c.inner.Decode(plain, headers)
}

// decrypt returns the plain payload. Its errors quote nothing of the payload, which may be plain
// text.
func (c encryptedCodec[T]) decrypt(payload []byte, messageType string) ([]byte, error) {
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
	plain, err := aead.Open(nil, nonce, sealed, additionalData(payload[:len(payload)-len(sealed)], messageType))
	if err != nil {
		return nil, fmt.Errorf("%w with key %s: another key of that id, another type of message, or a change on the way", ErrDecrypt, id)
	}
	return plain, nil
}

// additionalData returns the bytes that are authenticated but not encrypted.
func additionalData(prefix []byte, messageType string) []byte {
	return append(bytes.Clone(prefix), messageType...)
}

func (encryptedCodec[T]) ContentType() string   { return ContentTypeEncrypted }
func (c encryptedCodec[T]) MessageType() string { return c.inner.MessageType() }
