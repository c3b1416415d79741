package topic_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

func ExampleEncrypted() {
	// The keys come from a secret store; these are none.
	keys, err := topic.NewKeyring("2026-11", map[string][]byte{
		"2026-10": bytes.Repeat([]byte{1}, 32), // reads what was written before
		"2026-11": bytes.Repeat([]byte{2}, 32),
	})
	if err != nil {
		panic(err)
	}
	orders := topic.New("shop", "orders", topic.Encrypted(topic.JSON[order](), keys),
		topic.Key(func(o order) string { return o.Customer }))

	payload, _ := orders.Codec().Append(nil, order{ID: "7", Customer: "ada"})
	got, _ := orders.Codec().Decode(payload, topic.Headers{})
	fmt.Println(bytes.Contains(payload, []byte("ada")), got.Customer, keys)
	// Output: false ada keyring(2026-11)
}

func keyring(t require.TestingT, current string, ids ...string) *topic.Keyring {
	keys := map[string][]byte{}
	for _, id := range append(ids, current) {
		keys[id] = bytes.Repeat([]byte(id[:1]), 32)
	}
	k, err := topic.NewKeyring(current, keys)
	require.NoError(t, err)
	return k
}

func TestEncryptedRoundTrip(t *testing.T) {
	t.Parallel()
	older, newer := topic.Encrypted(topic.Bytes(), keyring(t, "a")), topic.Encrypted(topic.Bytes(), keyring(t, "b", "a"))
	require.Equal(t, topic.ContentTypeEncrypted, older.ContentType())
	require.Equal(t, topic.Proto[*wrapperspb.StringValue]().MessageType(),
		topic.Encrypted(topic.Proto[*wrapperspb.StringValue](), keyring(t, "a")).MessageType())
	rapid.Check(t, func(t *rapid.T) {
		prefix, plain := rapid.SliceOf(rapid.Byte()).Draw(t, "prefix"), rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		for _, write := range []topic.Codec[[]byte]{older, newer} {
			first, err := write.Append(bytes.Clone(prefix), plain)
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(first, prefix))
			payload := first[len(prefix):]
			before := bytes.Clone(payload)
			got, err := newer.Decode(payload, topic.Headers{})
			require.NoError(t, err)
			require.True(t, bytes.Equal(plain, got))
			require.Equal(t, before, payload, "decoding leaves the payload alone: a message may be decoded twice")
			second, err := write.Append(nil, plain)
			require.NoError(t, err)
			require.NotEqual(t, payload, second, "each message has a nonce of its own")
		}
	})
}

func TestEncryptedRefuses(t *testing.T) {
	t.Parallel()
	const secret = "secret 4711 of a customer"
	codec := topic.Encrypted(topic.Bytes(), keyring(t, "a"))
	payload, err := codec.Append(nil, []byte(secret))
	require.NoError(t, err)
	other, err := topic.NewKeyring("a", map[string][]byte{"a": make([]byte, 32)})
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		codec   topic.Codec[[]byte]
		payload []byte
		want    string
	}{
		"plain text":     {codec, []byte(secret), "not encrypted"},
		"nothing":        {codec, nil, "not encrypted"},
		"later version":  {codec, append([]byte{0xfb, 'i', 'e', 2}, payload[4:]...), "not encrypted, or in another way"},
		"unknown key":    {topic.Encrypted(topic.Bytes(), keyring(t, "b")), payload, "no key a"},
		"id of anything": {codec, []byte("\xfbie\x01\x0bsecret 4711"), "no such key"},
		"another key":    {topic.Encrypted(topic.Bytes(), other), payload, "with key a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.codec.Decode(tt.payload, topic.Headers{})
			require.ErrorIs(t, err, topic.ErrDecrypt)
			require.ErrorContains(t, err, tt.want)
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
	// What is authentic as one type is not as another.
	message, err := topic.Encrypted(topic.Proto[*wrapperspb.StringValue](), keyring(t, "a")).Append(nil, wrapperspb.String("x"))
	require.NoError(t, err)
	_, err = topic.Encrypted(topic.Proto[*wrapperspb.BytesValue](), keyring(t, "a")).Decode(message, topic.Headers{})
	require.ErrorIs(t, err, topic.ErrDecrypt)

	// What can't be encoded leaves what was there.
	dst, err := topic.Encrypted(topic.JSON[func()](), keyring(t, "a")).Append([]byte("before"), nil)
	require.Error(t, err)
	require.Equal(t, "before", string(dst))
}

// freshCodec does not append, which goes unnoticed with a producer that has nothing before the
// payload.
type freshCodec struct{ topic.Codec[[]byte] }

func (freshCodec) Append(_, v []byte) ([]byte, error) { return bytes.Clone(v), nil }

// What such a codec made was once sealed from the middle on: the message's beginning was sent in
// the open.
func TestEncryptedNeedsACodecThatAppends(t *testing.T) {
	t.Parallel()
	codec := topic.Encrypted[[]byte](freshCodec{topic.Bytes()}, keyring(t, "a"))
	for _, plain := range []string{"", "short", "secret 4711 of a customer, and so on"} {
		payload, err := codec.Append([]byte("before"), []byte(plain))
		require.ErrorContains(t, err, "does not append")
		require.Equal(t, "before", string(payload))
		require.NotContains(t, err.Error(), "4711")
	}
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte("k"), 32)
	for want, newKeyring := range map[string]func() (*topic.Keyring, error){
		"the current key is not among": func() (*topic.Keyring, error) { return topic.NewKeyring("a", nil) },
		"key a has 16 bytes":           func() (*topic.Keyring, error) { return topic.NewKeyring("a", map[string][]byte{"a": key[:16]}) },
		"the id of a key":              func() (*topic.Keyring, error) { return topic.NewKeyring("a b", map[string][]byte{"a b": key}) },
	} {
		k, err := newKeyring()
		require.ErrorContains(t, err, want)
		require.Nil(t, k)
		require.NotContains(t, err.Error(), "kkkk")
	}
	require.Panics(t, func() { topic.Encrypted(topic.Bytes(), nil) })
	require.Panics(t, func() { topic.Encrypted[[]byte](nil, keyring(t, "a")) })

	k, err := topic.NewKeyring("a", map[string][]byte{"a": key})
	require.NoError(t, err)
	orders := topic.New("s", "t", topic.Encrypted(topic.Bytes(), k))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{k, orders, orders.Codec()} {
			text := fmt.Sprintf(verb, value)
			for _, spelled := range []string{"kkkk", "6b6b6b6b", "107 107", "0x6b, 0x6b", "0x6b6b"} {
				require.NotContains(t, text, spelled, "%s: %s", verb, text)
			}
		}
	}
}

func FuzzEncryptedDecode(f *testing.F) {
	codec := topic.Encrypted(topic.Bytes(), keyring(f, "a"))
	payload, err := codec.Append(nil, []byte("x"))
	require.NoError(f, err)
	f.Add(payload)
	f.Add([]byte("\xfbie\x01\x01a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Seeds are the only authentic ones.
		if plain, err := codec.Decode(data, topic.Headers{}); err == nil && string(plain) != "x" {
			t.Fatal("something else was taken for authentic")
		}
	})
}
