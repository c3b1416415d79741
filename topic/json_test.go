package topic_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/topic"
)

type payment struct {
	Card int32     `json:"card"`
	At   time.Time `json:"at"`
	Code code      `json:"code"`
}

// code refuses everything, and quotes it.
type code string

func (*code) UnmarshalText(text []byte) error { return errors.New("bad code " + string(text)) }

func TestJSONTypeName(t *testing.T) {
	t.Parallel()
	require.Equal(t, "topic_test.payment", topic.JSON[payment]().MessageType())
	require.Equal(t, "shop.Payment", topic.JSON[payment](topic.TypeName("shop.Payment")).MessageType())
	require.Empty(t, topic.JSON[any]().MessageType())
	require.Equal(t, "shop.Event", topic.JSON[any](topic.TypeName("shop.Event")).MessageType())
	for _, name := range []string{"", strings.Repeat("n", 256)} {
		require.Panics(t, func() { topic.TypeName(name) }, name)
	}
}

// What a decoder says of a payload is logged, so it must not quote it: encoding/json does in
// several places.
func TestJSONErrorsHoldNothingOfThePayload(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		payload, want string
		cause         any
	}{
		"number": {
			`{"card": 4111111111111111}`, "topic: decode topic_test.payment: card: a JSON number is no int32",
			new(*json.UnmarshalTypeError),
		},
		"string":        {`{"card": "4111"}`, "topic: decode topic_test.payment: card: a JSON string is no int32", new(*json.UnmarshalTypeError)},
		"no object":     {`4111`, "topic: decode topic_test.payment: a JSON number is no topic_test.payment", new(*json.UnmarshalTypeError)},
		"time":          {`{"at": "4111"}`, "topic: decode topic_test.payment: refused with a *time.ParseError", new(*time.ParseError)},
		"own words":     {`{"code": "4111"}`, "topic: decode topic_test.payment: refused with a *errors.errorString", nil},
		"no JSON":       {`{"card" 4111}`, "topic: decode topic_test.payment: not JSON", new(*json.SyntaxError)},
		"nothing":       {``, "topic: decode topic_test.payment: not JSON", new(*json.SyntaxError)},
		"half a number": {`{"card": 41`, "topic: decode topic_test.payment: not JSON", new(*json.SyntaxError)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := topic.JSON[payment]().Decode([]byte(tt.payload), topic.Headers{})
			text, _, _ := strings.Cut(err.Error(), " (byte ") // which differs between versions of Go
			require.Equal(t, tt.want, text)
			if tt.cause != nil {
				require.ErrorAs(t, err, tt.cause, "the cause stays reachable")
			}
		})
	}
}

func TestJSONNamesItsType(t *testing.T) {
	t.Parallel()
	require.Equal(t, "topic_test.payment", topic.JSON[payment]().MessageType())
	require.Equal(t, "*topic_test.payment", topic.JSON[*payment]().MessageType())
	require.Empty(t, topic.JSON[any]().MessageType(), "messages of any type have no name in common")
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	codec := topic.JSON[order]()
	payload, err := codec.Append([]byte("x"), order{ID: "1"})
	require.NoError(t, err)
	require.Equal(t, `x{"id":"1","customer":""}`, string(payload))
	out, err := codec.Decode(payload[1:], topic.Headers{})
	require.NoError(t, err)
	require.Equal(t, order{ID: "1"}, out)
	_, err = codec.Decode([]byte("{"), topic.Headers{})
	require.Error(t, err)
	require.Equal(t, "application/json", codec.ContentType())

	_, err = topic.JSON[func()]().Append(nil, func() {})
	require.Error(t, err)
}

// Promise 10 of docs/guarantees.md: errors of decoding are logged, so they don't quote what could
// not be decoded.
func TestPromiseDecodersQuoteNothing(t *testing.T) {
	t.Parallel()
	type order struct {
		Amount int8
		Due    time.Time
	}
	for name, payload := range map[string]string{
		"a number that does not fit":  `{"Amount": 4711}`,
		"a text that is not a time":   `{"Due": "secret 4711"}`,
		"a text in place of a number": `{"Amount": "secret 4711"}`,
		"no JSON at all":              `4711 secret`,
	} {
		_, err := topic.JSON[order]().Decode([]byte(payload), topic.Headers{})
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "4711", name)
	}
}
