package topic_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func official(t require.TestingT, current string, ids ...string) topic.Codec[[]byte] {
	return topic.Encrypted(topic.Bytes(), keyring(t, current, ids...), topic.OfficialFormat())
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	return b
}

func TestOfficialFormatRoundTrip(t *testing.T) {
	t.Parallel()
	older, newer := official(t, "a"), official(t, "b", "0", "a")
	require.Equal(t, "application/octet-stream", older.ContentType(), "that of the plain payload, in encrypted headers")
	require.Equal(t, "google.protobuf.StringValue",
		topic.Encrypted(topic.Proto[*wrapperspb.StringValue](), keyring(t, "a"), topic.OfficialFormat()).MessageType())
	rapid.Check(t, func(t *rapid.T) {
		prefix, plain := rapid.SliceOf(rapid.Byte()).Draw(t, "prefix"), rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		for _, write := range []topic.Codec[[]byte]{older, newer} {
			first, err := write.Append(bytes.Clone(prefix), plain)
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(first, prefix))
			payload := first[len(prefix):]
			require.Len(t, payload, 12+len(plain)+16)
			before := bytes.Clone(payload)
			got, err := newer.Decode(payload, topic.Headers{})
			require.NoError(t, err)
			require.True(t, bytes.Equal(plain, got))
			require.Equal(t, before, payload)

			headers := write.(topic.HeaderCipher).EncryptHeaders(plain)
			require.Len(t, headers, 12+len(plain)+16)
			decrypted, err := newer.(topic.HeaderCipher).DecryptHeaders(headers)
			require.NoError(t, err)
			require.True(t, bytes.Equal(plain, decrypted))
			require.NotEqual(t, headers, write.(topic.HeaderCipher).EncryptHeaders(plain), "each has a nonce of its own")
		}
	})
}

func TestOfficialFormatRefuses(t *testing.T) {
	t.Parallel()
	const secret = "secret 4711 of a customer"
	codec := official(t, "a")
	payload, err := codec.Append(nil, []byte(secret))
	require.NoError(t, err)
	own, err := topic.Encrypted(topic.Bytes(), keyring(t, "a")).Append(nil, []byte(secret))
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		codec     topic.Codec[[]byte]
		encrypted []byte
		want      string
	}{
		"plain text":        {codec, []byte(secret + secret), "in another way or not at all"},
		"nothing":           {codec, []byte{}, "too short"},
		"short":             {codec, []byte("4711"), "too short"},
		"the library's own": {codec, own, "in another way"},
		"another key":       {official(t, "b", "c"), payload, "no key of the keyring"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.codec.Decode(tt.encrypted, topic.Headers{})
			require.ErrorIs(t, err, topic.ErrDecrypt)
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "payload")
			require.NotContains(t, err.Error(), "4711")
			if len(tt.encrypted) == 0 {
				return
			}
			_, err = tt.codec.(topic.HeaderCipher).DecryptHeaders(tt.encrypted)
			require.ErrorIs(t, err, topic.ErrDecrypt)
			require.ErrorContains(t, err, "headers")
			require.NotContains(t, err.Error(), "4711")
		})
	}
	for i := range payload {
		changed := bytes.Clone(payload)
		changed[i] ^= 1
		_, err := codec.Decode(changed, topic.Headers{})
		require.ErrorIs(t, err, topic.ErrDecrypt, "byte %d", i)
		_, err = codec.Decode(payload[:i], topic.Headers{})
		require.ErrorIs(t, err, topic.ErrDecrypt, "cut at %d", i)
	}
	broken := topic.Encrypted[[]byte](freshCodec{topic.Bytes()}, keyring(t, "a"), topic.OfficialFormat())
	_, err = broken.Append(nil, []byte(secret))
	require.ErrorContains(t, err, "does not append")
	require.PanicsWithValue(t, "topic: Encrypted: option 1 of 1 is nil", func() { topic.Encrypted(topic.Bytes(), keyring(t, "a"), nil) })
}

// The messages were written by Aes256GcmEncryptor of the Rust client (crate iggy 0.10.0, server 0.8.0)
// with the key 00 01 … 1f. That client has also read messages of this library from the same topic.
func TestOfficialFormatOfTheRustClient(t *testing.T) {
	t.Parallel()
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	keys, err := topic.NewKeyring("shared", map[string][]byte{"shared": key, "other": bytes.Repeat([]byte{1}, 32)})
	require.NoError(t, err)
	codec := topic.Encrypted(topic.JSON[order](), keys, topic.OfficialFormat())
	for name, tt := range map[string]struct {
		payload, headers string
		want             order
		wantHeaders      []string
	}{
		"with headers, one of them a number": {
			payload: "345594fb503b98d009c4f2db119ec2ee9559d2594b75346e2b589e86c11ca77c98290692458183df9c1e0be80782c146ed54c4c54ad60c",
			headers: "be337600bc49691018e575c9e2acd8a27b08df0b9934c6c45579e746990526b04904519592ee005342545df62e5cc5af7882c73489d247eede0c0aa3769da0ff" +
				"9fda5246bcef2919cac9319ef94f9b0be287063e6479d86064817215aa019e54e7f3e22c70",
			want: order{"7", "ada"}, wantHeaders: []string{"message-type=order.placed", "n=7", "tenant=acme"},
		},
		"without headers": {
			payload: "3f51cac922fb50c78e9657f71a6c1c9e37ad743ac9b7ed20011565cfb12cb3e82c7029fe0cc9476a8647c252179b1a672a174c71121aa1",
			want:    order{"8", "bob"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			encoded, err := codec.(topic.HeaderCipher).DecryptHeaders(unhex(t, tt.headers))
			require.NoError(t, err)
			headers := topic.EncodedHeaders(encoded)
			require.Equal(t, tt.wantHeaders, all(headers))
			got, err := codec.Decode(unhex(t, tt.payload), headers)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// The header replay-of, which deadletter.Replay puts before those of the message, is not encrypted.
func TestOfficialFormatReadsReplayedMessages(t *testing.T) {
	t.Parallel()
	cipher := official(t, "a").(topic.HeaderCipher)
	replayed, own := wire.AppendHeader(nil, "replay-of", "t/0/1"), wire.AppendHeader(nil, "tenant", "acme")
	for name, tt := range map[string]struct{ stored, want []byte }{
		"none":     {nil, nil},
		"alone":    {replayed, replayed},
		"in front": {slices.Concat(replayed, cipher.EncryptHeaders(own)), slices.Concat(replayed, own)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := bytes.Clone(tt.stored)
			got, err := cipher.DecryptHeaders(tt.stored)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.Equal(t, before, tt.stored)
		})
	}
	_, err := cipher.DecryptHeaders(slices.Concat(own, cipher.EncryptHeaders(own)))
	require.ErrorIs(t, err, topic.ErrDecrypt, "nobody adds others")
	_, err = cipher.DecryptHeaders(slices.Concat(replayed, own))
	require.ErrorIs(t, err, topic.ErrDecrypt)
}

// The name of the type is in the encrypted headers.
func TestOfficialFormatWithSeveralTypes(t *testing.T) {
	t.Parallel()
	codec := topic.Encrypted(events, keyring(t, "a"), topic.OfficialFormat())
	payload, err := codec.Append(nil, event(orderPlaced{"7", "ada"}))
	require.NoError(t, err)
	headers := headersOf(t, codec, event(orderPlaced{"7", "ada"}))
	require.Equal(t, []string{"content-type=application/json", "message-type=order.placed"}, all(headers))
	got, err := codec.Decode(payload, headers)
	require.NoError(t, err)
	require.Equal(t, orderPlaced{"7", "ada"}, got)
	require.Implements(t, (*topic.HeaderCipher)(nil), codec)
}

// The format of the official clients' encryptors, for a topic that is shared with them.
func ExampleOfficialFormat() {
	keys, err := topic.NewKeyring("2026-11", map[string][]byte{"2026-11": bytes.Repeat([]byte{2}, 32)})
	if err != nil {
		panic(err)
	}
	orders := topic.New("shop", "orders", topic.Encrypted(topic.JSON[order](), keys, topic.OfficialFormat()))

	payload, _ := orders.Codec().Append(nil, order{ID: "7", Customer: "ada"})
	got, err := orders.Codec().Decode(payload, topic.Headers{})
	fmt.Println(len(payload)-len(`{"ID":"7","Customer":"ada"}`), got.Customer, err)
	// Output: 28 ada <nil>
}
