package cloudevents_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
	"github.com/fetchbox/fetchbox-iggy/topic/cloudevents"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// placed is a complete event.
func placed() event.Event {
	e := event.New()
	e.SetID("7")
	e.SetSource("https://shop.example.com/orders")
	e.SetType("com.example.order.placed")
	e.SetSubject("orders/7")
	e.SetTime(time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC))
	e.SetDataSchema("https://shop.example.com/schema")
	e.SetExtension("partitionkey", "ada")
	e.SetExtension("priority", 3)
	e.SetExtension("urgent", true)
	if err := e.SetData("application/json", map[string]string{"customer": "ada"}); err != nil {
		panic(err)
	}
	return e
}

func headersOf(t *testing.T, codec topic.Codec[event.Event], e event.Event) []topic.Header {
	t.Helper()
	headers, err := codec.(topic.HeaderEncoder[event.Event]).Headers(e)
	require.NoError(t, err)
	return headers
}

// binary is an event as it is stored in the binary mode.
var binary = []topic.Header{
	{Key: "ce_specversion", Value: "1.0"},
	{Key: "ce_type", Value: "com.example.order.placed"},
	{Key: "ce_source", Value: "https://shop.example.com/orders"},
	{Key: "ce_id", Value: "7"},
}

func TestEventInBinaryMode(t *testing.T) {
	t.Parallel()
	codec := cloudevents.Codec()
	payload, err := codec.Append([]byte("before"), placed())
	require.NoError(t, err)
	require.Equal(t, `before{"customer":"ada"}`, string(payload))
	headers := headersOf(t, codec, placed())
	require.ElementsMatch(t, append(slices.Clip(binary),
		topic.Header{Key: "content-type", Value: "application/json"},
		topic.Header{Key: "ce_dataschema", Value: "https://shop.example.com/schema"},
		topic.Header{Key: "ce_subject", Value: "orders/7"},
		topic.Header{Key: "ce_time", Value: "2026-03-01T12:00:00.0000005Z"},
		topic.Header{Key: "ce_partitionkey", Value: "ada"},
		topic.Header{Key: "ce_priority", Value: "3"},
		topic.Header{Key: "ce_urgent", Value: "true"},
	), headers)

	stored := payload[len("before"):]
	got, err := codec.Decode(stored, topic.HeadersOf(headers...))
	require.NoError(t, err)
	require.Equal(t, placed().String(), got.String())
	require.Equal(t, "3", got.Extensions()["priority"], "the types of extensions are not stored")
	clear(stored)
	require.Equal(t, `{"customer":"ada"}`, string(got.Data()), "it has memory of its own")
}

// What headers have no room for is in the payload.
func TestEventInStructuredMode(t *testing.T) {
	t.Parallel()
	codec := cloudevents.Codec()
	for name, change := range map[string]func(*event.Event){
		"no data":         func(e *event.Event) { e.DataEncoded = nil },
		"long attribute":  func(e *event.Event) { e.SetSubject(strings.Repeat("x", 256)) },
		"long extension":  func(e *event.Event) { e.SetExtension("note", strings.Repeat("x", 256)) },
		"empty extension": func(e *event.Event) { e.SetExtension("note", "") },
		"an event in it":  func(e *event.Event) { e.SetDataContentType("application/cloudevents+json") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := placed()
			change(&e)
			payload, err := codec.Append(nil, e)
			require.NoError(t, err)
			headers := headersOf(t, codec, e)
			require.Equal(t, []topic.Header{{Key: "content-type", Value: "application/cloudevents+json"}}, headers)
			got, err := codec.Decode(payload, topic.HeadersOf(headers...))
			require.NoError(t, err)
			require.Equal(t, e.String(), got.String())
			got, err = codec.Decode(payload, topic.HeadersOf(topic.Header{Key: "Content-Type", Value: "Application/CloudEvents+JSON; charset=utf-8"}))
			require.NoError(t, err)
			require.Equal(t, e.ID(), got.ID())
		})
	}
}

func TestEventOfAnotherProgram(t *testing.T) {
	t.Parallel()
	codec := cloudevents.Codec()
	got, err := codec.Decode([]byte("x"), topic.HeadersOf(
		topic.Header{Key: "CE_SpecVersion", Value: "0.3"}, topic.Header{Key: "Ce_Id", Value: "7"}, topic.Header{Key: "ce_type", Value: "t"},
		topic.Header{Key: "ce_source", Value: "/s"}, topic.Header{Key: "CE_Tenant", Value: "acme"}, topic.Header{Key: "tenant", Value: "other"},
		topic.Header{Key: "ce_", Value: "nothing"}))
	require.NoError(t, err)
	require.Equal(t, "0.3 7 t /s acme", fmt.Sprint(got.SpecVersion(), " ", got.ID(), " ", got.Type(), " ", got.Source(), " ", got.Extensions()["tenant"]))
	require.Empty(t, got.DataContentType())
}

// Of a header that is repeated, in any case of letters, the first one counts.
func TestRepeatedAttribute(t *testing.T) {
	t.Parallel()
	repeated := append(slices.Clone(binary), topic.Header{Key: "CE_ID", Value: "8"}, topic.Header{Key: "ce_specversion", Value: "0.3"})
	e, err := cloudevents.Codec().Decode([]byte("x"), topic.HeadersOf(repeated...))
	require.NoError(t, err)
	require.Equal(t, "7", e.ID())
	require.Equal(t, "1.0", e.SpecVersion())
}

func TestWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	codec := cloudevents.Codec()
	with := func(headers ...topic.Header) topic.Headers { return topic.HeadersOf(append(headers, binary...)...) }
	structured := topic.HeadersOf(topic.Header{Key: "content-type", Value: "application/cloudevents+json"})
	for name, tt := range map[string]struct {
		payload string
		headers topic.Headers
		want    string
	}{
		"no headers":       {"{}", topic.Headers{}, "neither a header ce_specversion nor the content-type application/cloudevents+json"},
		"unknown version":  {"{}", with(topic.Header{Key: "ce_specversion", Value: "9"}), `specversion "9" is not known`},
		"no id":            {"{}", topic.HeadersOf(binary[:3]...), "id: MUST be a non-empty string"},
		"malformed time":   {"{}", with(topic.Header{Key: "ce_time", Value: "noon"}), "header ce_time"},
		"bad extension":    {"{}", with(topic.Header{Key: "ce_a b", Value: "x"}), "header ce_a b"},
		"a batch":          {"[]", topic.HeadersOf(topic.Header{Key: "content-type", Value: "application/cloudevents-batch+json"}), "is not supported"},
		"no JSON":          {"secret 4711", structured, "not a valid event"},
		"not an event":     {`{"secret": "4711"}`, structured, "not a valid event"},
		"an invalid event": {`{"specversion":"1.0","id":"4711","type":"t"}`, structured, "not a valid event"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := codec.Decode([]byte(tt.payload), tt.headers)
			require.ErrorIs(t, err, cloudevents.ErrNoEvent)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "4711")
		})
	}
	for name, e := range map[string]event.Event{"zero": {}, "no type": func() event.Event { e := placed(); e.SetType(""); return e }()} {
		_, err := codec.Append(nil, e)
		require.Error(t, err, name)
		_, err = codec.(topic.HeaderEncoder[event.Event]).Headers(e)
		require.Error(t, err, name)
	}
}

// An encrypted event keeps the content-type of its data.
func TestEncryptedEvents(t *testing.T) {
	t.Parallel()
	keys, err := topic.NewKeyring("a", map[string][]byte{"a": bytes.Repeat([]byte{7}, 32)})
	require.NoError(t, err)
	for name, codec := range map[string]topic.Codec[event.Event]{
		"own format":      topic.Encrypted(cloudevents.Codec(), keys),
		"official format": topic.Encrypted(cloudevents.Codec(), keys, topic.OfficialFormat()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload, err := codec.Append(nil, placed())
			require.NoError(t, err)
			require.NotContains(t, string(payload), "ada")
			got, err := codec.Decode(payload, topic.HeadersOf(headersOf(t, codec, placed())...))
			require.NoError(t, err)
			require.Equal(t, placed().String(), got.String())
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"7","type":"t","source":"s"}`), "application/cloudevents+json", "1.0", "t")
	f.Add([]byte("x"), "text/plain", "0.3", "t")
	f.Fuzz(func(t *testing.T, payload []byte, contentType, version, extension string) {
		e, err := cloudevents.Codec().Decode(payload, topic.HeadersOf(
			topic.Header{Key: "content-type", Value: contentType}, topic.Header{Key: "ce_specversion", Value: version},
			topic.Header{Key: "ce_id", Value: "7"}, topic.Header{Key: "ce_type", Value: "t"}, topic.Header{Key: "ce_source", Value: "s"},
			topic.Header{Key: "ce_x", Value: extension}))
		if err != nil {
			require.ErrorIs(t, err, cloudevents.ErrNoEvent)
			return
		}
		require.NoError(t, e.Validate())
		again, err := cloudevents.Codec().Append(nil, e)
		require.NoError(t, err)
		headers := headersOf(t, cloudevents.Codec(), e)
		got, err := cloudevents.Codec().Decode(again, topic.HeadersOf(headers...))
		require.NoError(t, err)
		require.Equal(t, e.ID(), got.ID())
	})
}

func TestEventsOverAServer(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	srv.CreateTopic("shop", "events", 2)
	srv.CreateGroup("shop", "events", "billing")
	srv.CreateGroup("shop", "events", "billing.balance")
	events := topic.New("shop", "events", cloudevents.Codec(), topic.Key(event.Event.Subject))
	cfg := config.Default()
	cfg.Iggy.Endpoint = srv.Endpoint()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = iggytest.Username, config.NewSecret(iggytest.Password)
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, p.Stop(context.Background())) })
	c, err := consumer.New(cfg.Iggy, config.DefaultConsumer("billing"), events)
	require.NoError(t, err)
	got := make(chan event.Event, 2)
	require.NoError(t, c.Handle(func(_ context.Context, m *consumer.Message[event.Event]) error {
		require.Equal(t, m.Value.Subject(), m.Key())
		got <- m.Value
		return nil
	}))
	require.NoError(t, c.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, c.Stop(context.Background())) })

	empty := placed()
	empty.DataEncoded = nil
	for _, e := range []event.Event{placed(), empty} {
		_, err = producer.For(p, events).Publish(t.Context(), e)
		require.NoError(t, err)
		require.Equal(t, e.String(), (<-got).String())
	}
	stored := srv.Messages("shop", "events")
	require.Len(t, stored, 2)
	require.Equal(t, "orders/7", stored[0].Header("ce_subject"))
	require.Equal(t, "application/cloudevents+json", stored[1].Header("content-type"))

	_, err = producer.For(p, events).Publish(t.Context(), event.New())
	require.ErrorContains(t, err, "id: MUST be a non-empty string")
}

// A topic of events, with the subject as key.
func ExampleCodec() {
	events := topic.New("shop", "events", cloudevents.Codec(), topic.Key(event.Event.Subject))

	e := event.New()
	e.SetID("7")
	e.SetSource("/orders")
	e.SetType("com.example.order.placed")
	e.SetSubject("orders/7")
	if err := e.SetData("application/json", map[string]string{"customer": "ada"}); err != nil {
		fmt.Println(err)
	}
	m, err := producer.Encode(events, e)
	fmt.Println(m.Key, string(m.Payload), err)
	for _, h := range m.Headers {
		fmt.Println(h.Key+":", h.Value)
	}
	// Output:
	// orders/7 {"customer":"ada"} <nil>
	// ce_id: 7
	// ce_source: /orders
	// ce_specversion: 1.0
	// ce_type: com.example.order.placed
	// content-type: application/json
	// ce_subject: orders/7
}
