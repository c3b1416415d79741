package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

func TestPublishTakesPayloadsOfEveryKind(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	publish := func(in string, args ...string) string {
		t.Helper()
		return s.runIn(in, append([]string{"publish", "shop/orders", "--file", "-"}, args...)...).ok(t)
	}
	require.Equal(t, "published 1 message to shop/orders\n", publish("\x00\xff whole\n", "--key", "acme", "--header", "a=1", "--header", "b=x=y"))
	m := s.Messages("shop", "orders")[0]
	require.Equal(t, "\x00\xff whole\n", string(m.Payload))
	require.Equal(t, wire.PartitionOf("acme", 3), m.Partition)
	require.Equal(t, map[string]any{"a": "1", "b": "x=y"}, s.tail()[0].Headers, "nothing describes a payload of which nothing is known")

	s.run("provision", "shop/lines", "--yes").ok(t)
	s.runIn("one\ntwo\r\nthree", "publish", "shop/lines", "--file", "-", "--format", "lines").ok(t)
	require.Equal(t, []string{`"one"`, `"two"`, `"three"`}, payloadsOf(jsonLines[tailed](t, s.run("tail", "shop/lines").ok(t))))

	publish(`{"payload": "ff00", "payload_form": "hex", "partition": 0, "headers": {"A": "1"}}`, "--format", "json", "--header", "a=3", "--partition", "2")
	replaced := s.tail("--filter", "a=3")[0]
	require.Equal(t, `"ff00"`, string(replaced.Payload))
	require.Equal(t, map[string]any{"a": "3"}, replaced.Headers)
	require.EqualValues(t, 2, replaced.Partition)

	publish(`{"key": "k", "id": "0192f000-0000-7000-8000-000000000001", "headers": {"A": ["1", "2"]}, "payload": {"n": 1.50}}`, "--format", "json")
	stored := s.tail("--filter", "content-type=application/json")[0]
	require.Equal(t, wire.PartitionOf("k", 3), stored.Partition)
	require.Equal(t, "0192f000-0000-7000-8000-000000000001", stored.ID)
	require.Equal(t, map[string]any{"A": []any{"1", "2"}, "content-type": "application/json"}, stored.Headers)
	require.JSONEq(t, `{"n":1.50}`, string(stored.Payload))
	require.Contains(t, publish(`{"payload": "x"}`, "--format", "json", "--dry-run"), "checked 1 message, published nothing")
}

// TestPublishReadsWhatTailPrints requires that messages survive a copy: payload, id, headers and
// partition.
func TestPublishReadsWhatTailPrints(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run("provision", "shop/copy", "--partitions", "3", "--yes").ok(t)
	s.publish(`{"partition": 2, "payload": "text", "headers": {"z": ["1", "2"], "b": "3", "a": "4"}} {"partition": 1, "payload": {"a": [1, "<"]}}
		{"partition": 0, "payload": "ff00", "payload_form": "hex"}
		{"partition": 1, "payload": {"jobId": "j"}, "payload_form": "protobuf", "headers": {"message-type": "fetchbox.jobs.DownloadTask"}}`)
	out := s.run("tail", "shop/orders").ok(t)
	require.Contains(t, out, `"payload_form":"protobuf"`)
	s.runIn(out, "publish", "shop/copy", "--format", "json", "--file", "-").ok(t)
	from, to := s.Messages("shop", "orders"), s.Messages("shop", "copy")
	require.Len(t, to, 4)
	require.Equal(t, []string{"z=1", "z=2", "b=3", "a=4"}, headersOf(t, to[3]))
	for i := range from {
		require.Equal(t, from[i].Payload, to[i].Payload)
		require.Equal(t, from[i].ID, to[i].ID)
		require.Equal(t, from[i].Partition, to[i].Partition)
		require.Equal(t, headersOf(t, from[i]), headersOf(t, to[i]), "in the same order")
	}
	// Messages of several partitions may be stored in another order.
	require.ElementsMatch(t, strings.Split(volatile.ReplaceAllString(out, "…"), "\n"),
		strings.Split(volatile.ReplaceAllString(s.run("tail", "shop/copy").ok(t), "…"), "\n"))
}

// TestPublishCopiesToFewerPartitions requires that a copy can leave the partition to the key, or to the
// producer.
func TestPublishCopiesToFewerPartitions(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.run("provision", "shop/copy", "--partitions", "2", "--yes").ok(t)
	s.publish(`{"partition": 2, "payload": "a", "headers": {"partition-key": "acme"}} {"partition": 2, "payload": "b"} {"partition": 2, "key": "k", "payload": "c"}`)
	out := s.run("tail", "shop/orders").ok(t)
	s.runIn(out, "publish", "shop/copy", "--format", "json", "--file", "-").fails(t, 1, "partition 2 of shop/copy, which has 2")
	s.runIn(out, "publish", "shop/copy", "--format", "json", "--file", "-", "--ignore-partition").ok(t)
	partitions := map[string]uint32{}
	for _, m := range s.Messages("shop", "copy") {
		partitions[string(m.Payload)] = m.Partition
	}
	require.Len(t, partitions, 3)
	require.Equal(t, wire.PartitionOf("acme", 2), partitions["a"])
	s.runIn("x", "publish", "shop/copy", "--file", "-", "--ignore-partition", "--partition", "1").fails(t, 2, "exclude each other")
}

// TestPublishWritesAsPublishersDo requires that payloads are compressed and keys stored as a service does
// it.
func TestPublishWritesAsPublishersDo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	long := strings.Repeat("order ", 100)
	s.runIn(long, "publish", "shop/orders", "--file", "-", "--key", "acme", "--store-key", "--compression", "zstd").ok(t)
	s.runIn(`{"key": "other", "payload": "short"}`, "publish", "shop/orders", "--file", "-", "--format", "json", "--store-key", "--compression", "gzip").ok(t)
	stored := map[string][]string{}
	for _, m := range s.Messages("shop", "orders") {
		stored[strings.Join(headersOf(t, m), " ")] = []string{fmt.Sprint(len(m.Payload) < len(long)/2), fmt.Sprint(m.Partition)}
	}
	require.Equal(t, map[string][]string{
		"partition-key=acme content-encoding=zstd": {"true", fmt.Sprint(wire.PartitionOf("acme", 3))},
		"partition-key=other":                      {"true", fmt.Sprint(wire.PartitionOf("other", 3))},
	}, stored, "a payload that compression makes larger stays as it is")
	require.Equal(t, `"`+long+`"`, string(s.tail("--filter", "partition-key=acme")[0].Payload))
	s.runIn(long, "publish", "shop/orders", "--file", "-", "--compression", "lz4").fails(t, 2, "--compression must be none, s2, zstd or gzip")
	s.runIn(long, "publish", "shop/orders", "--file", "-", "--store-key").fails(t, 2, "--store-key needs --key")

	s.run("provision", "fetchbox/jobs.logs", "--yes").ok(t)
	file := writeFile(t, "topics: {logs: {compression: gzip, compression_min_size: 1}}\n")
	s.runIn(long, "publish", "logs", "--file", "-", "--config", file).ok(t)
	require.Equal(t, []string{"content-encoding=gzip"}, headersOf(t, s.Messages("fetchbox", "jobs.logs")[0]), "as configured")
}

func TestPublishRefusesFaultyMessages(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, tt := range []struct{ why, format, in string }{
		{"line 2: empty payload", "lines", "a\n\nb\n"},
		{"empty payload", "message", ""},
		{"longer than 10000000 bytes; --format says", "message", strings.Repeat("x", 10_000_001)},
		{"line 2: payload of 10000001 bytes", "lines", "x\n" + strings.Repeat("x", 10_000_001)},
		{"line 2: a message is longer than 32MiB", "lines", "x\n" + strings.Repeat("x", 33<<20)},
		{"holds no message", "lines", ""},
		{"holds no message", "json", " "},
		{`line 2: unknown field "headres"`, "json", `{"payload": 1}` + "\n" + `{"payload": 1, "headres": {}}`},
		{"line 1: there is no payload", "json", `{}`},
		{"line 1: the payload is not in hex", "json", `{"payload": "xy", "payload_form": "hex"}`},
		{"line 1: a payload with the payload_form text must be a text", "json", `{"payload": 3, "payload_form": "text"}`},
		{`line 1: payload_form must be text, json, hex or protobuf, not "auto"`, "json", `{"payload": 3, "payload_form": "auto"}`},
		{"line 1: the payload could not be decoded when the message was read: br", "json", `{"payload": "00", "payload_form": "hex", "error": "br"}`},
		{`line 1: id "7" is no UUID`, "json", `{"payload": 3, "id": "7"}`},
		{"line 1: partition can't be a JSON number -1", "json", `{"payload": 3, "partition": -1}`},
		{"line 1: key can't be a JSON array", "json", `{"payload": 3, "key": []}`},
		{"line 1: a message must be a JSON object, not a JSON array", "json", `[[3]]`},
		{"line 2: a message must be a JSON object, not a JSON string", "json", "{\"payload\": 3}\n\"x\""},
		{`line 1: header "a" must be a text`, "json", `{"payload": 3, "headers": {"a": 1}}`},
		{"line 1: headers must be an object", "json", `{"payload": 3, "headers": ["a"]}`},
		{"line 1: the type shop.Order is not known", "json", `{"payload": {}, "payload_form": "protobuf", "headers": {"message-type": "shop.Order"}}`},
		{"line 1: it has no header message-type", "json", `{"payload": {}, "payload_form": "protobuf"}`},
		{`header "a" has an empty value`, "json", `{"payload": 3, "headers": {"a": ""}}`},
	} {
		r := s.run("publish", "shop/orders", "--format", tt.format, "--file", writeFile(t, tt.in))
		r.fails(t, 1, tt.why)
	}
	s.run("publish", "shop/orders", "--format", "lines", "--type", "DownloadTask", "--file", writeFile(t, "{}\n{\"jobid\": 3}")).fails(t, 1, `line 1: empty payload`)
	s.run("publish", "shop/orders", "--format", "lines", "--type", "DownloadTask", "--file", writeFile(t, "{\"jobId\": \"j\"}\n{\"nope\": 3}")).fails(t, 1, `line 2: (line 1:2): unknown field "nope"`)
	file := writeFile(t, "x")
	for why, args := range map[string][]string{
		"--file says what to publish":               {"shop/orders"},
		"--format must be message, lines or json":   {"shop/orders", "--file", file, "--format", "xml"},
		"--key and --partition both choose":         {"shop/orders", "--file", file, "--key", "a", "--partition", "0"},
		"--partition must be the id of a partition": {"shop/orders", "--file", file, "--partition", "-2"},
		"--header must be name=value":               {"shop/orders", "--file", file, "--header", "a="},
		"key of 256 bytes":                          {"shop/orders", "--file", file, "--key", strings.Repeat("k", 256)},
		"header key of 256 bytes":                   {"shop/orders", "--file", file, "--header", strings.Repeat("k", 256) + "=v"},
		"topics are named STREAM/TOPIC":             {"shop", "--file", file},
		`--type: there is no message "Order"`:       {"shop/orders", "--file", file, "--type", "Order"},
	} {
		s.run(append([]string{"publish"}, args...)...).fails(t, 2, why)
	}
	s.run("publish", "shop/orders", "--file", file, "--partition", "3").fails(t, 1, "partition 3 of shop/orders, which has 3")
	s.run("publish", "shop/nope", "--file", file).fails(t, 1, "provision creates what is missing")
	require.Empty(t, s.Messages("shop", "orders"))
}
