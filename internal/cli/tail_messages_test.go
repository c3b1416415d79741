package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// newShop is a server with a topic of its own and a group.
func newShop(t *testing.T) system {
	t.Helper()
	s := system{iggytest.NewServer(t), t}
	s.run("provision", "shop/orders", "--partitions", "3", "--group", "billing", "--yes").ok(t)
	return s
}

// publish publishes messages in JSON to shop/orders.
func (s system) publish(messages string) {
	s.t.Helper()
	s.runIn(messages, "publish", "shop/orders", "--format", "json", "--file", "-").ok(s.t)
}

// tailed is a message as tail prints it.
type tailed struct {
	Partition   uint32
	Offset      uint64
	ID          string
	Headers     map[string]any
	PayloadForm string `json:"payload_form"`
	Payload     json.RawMessage
	Error       string
}

func (s system) tail(args ...string) []tailed {
	s.t.Helper()
	return jsonLines[tailed](s.t, s.run(append([]string{"tail", "shop/orders"}, args...)...).ok(s.t))
}

func payloadsOf(all []tailed) (payloads []string) {
	for _, m := range all {
		payloads = append(payloads, string(m.Payload))
	}
	return payloads
}

func TestTailShowsEachPayloadInTheFormThatFits(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	require.Empty(t, s.tail())
	task, err := proto.Marshal(&jobspb.DownloadTask{JobId: "j"})
	require.NoError(t, err)
	conn := connectNative(t, s.Server)
	ofType := wire.AppendHeader(nil, "Message-Type", "fetchbox.jobs.DownloadTask")
	for _, m := range []struct {
		payload []byte
		headers []byte
	}{
		{[]byte(`{"a": 1.50, "b": "<&>"}`), nil},
		{[]byte(`17`), nil},
		{[]byte(`17`), wire.AppendHeader(nil, "content-type", "application/json; charset=utf-8")},
		{[]byte("two\nlines\t\u00e9"), nil},
		{[]byte("a\x1b[31m"), nil},
		{[]byte{0xff, 0x00}, nil},
		{[]byte(`{not JSON`), nil},
		{task, ofType},
		{[]byte{0xff, 0xff}, ofType},
		{[]byte("x"), wire.AppendHeader(nil, "message-type", "shop.Unknown")},
		{[]byte("squeezed"), wire.AppendHeader(nil, "content-encoding", "br")},
	} {
		var batch wire.Batch
		batch.Append([16]byte{1}, 1, m.payload, m.headers)
		require.NoError(t, conn.Send(t.Context(), "shop", "orders", 0, &batch))
	}
	got := s.tail()
	require.Equal(t, []string{
		`{"a":1.50,"b":"<&>"}`, `"17"`, `17`, `"two\nlines\té"`, `"611b5b33316d"`, `"ff00"`, `"{not JSON"`, `{"jobId":"j"}`, `"ffff"`, `"x"`,
		`"7371756565` + `7a6564"`,
	}, payloadsOf(got))
	require.Equal(t, []string{"json", "text", "json", "text", "hex", "hex", "text", "protobuf", "hex", "text", "hex"}, formsOf(got))
	require.Contains(t, got[10].Error, "br")
	require.Equal(t, map[string]any{"content-encoding": "br"}, got[10].Headers)

	r := s.run("tail", "shop/orders", "-o", "text")
	require.Contains(t, r.ok(t), `0/3 two\nlines é`+"\n")
	require.Contains(t, r.out, "0/10 7371756565")
	require.Contains(t, r.err, "fetchbox-iggy-cli: shop/orders/0/10: can't be decoded: ")

	r = s.run("tail", "shop/orders", "--payload", "json", "-o", "text")
	require.Equal(t, 4, strings.Count(r.ok(t), "\n"), "three of JSON, and what is stored compressed: %s", r.out)
	require.Contains(t, r.err, "shop/orders/0/3: can't be decoded: the payload is not JSON")
	r = s.run("tail", "shop/orders", "--payload", "text", "-o", "text")
	require.Contains(t, r.ok(t), `0/4 a\u001b[31m`)
	require.Contains(t, r.err, "shop/orders/0/5: can't be decoded: the payload is not text in UTF-8")
	require.Equal(t, `"3137"`, payloadsOf(s.tail("--payload", "hex"))[1])
	got = s.tail("--payload", "protobuf")
	require.Equal(t, "it has no header message-type: --type says which type it is", got[0].Error)
	require.Empty(t, got[0].Payload)
	require.Equal(t, "the type shop.Unknown is not known: --proto names the file with it", got[9].Error)
	require.Equal(t, `{"jobId":"j"}`, string(got[7].Payload))
}

func formsOf(all []tailed) (forms []string) {
	for _, m := range all {
		forms = append(forms, m.PayloadForm)
	}
	return forms
}

func TestTailSelectsMessages(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, m := range []string{
		`{"partition": 0, "payload": "a", "headers": {"tenant": "a", "kind": ["x", "y"]}}`,
		`{"partition": 1, "payload": "b", "headers": {"tenant": "b"}}`,
		`{"partition": 2, "payload": "c"}`,
		`{"partition": 1, "payload": "d", "headers": {"Tenant": "a"}}`,
	} {
		s.publish(m)
	}
	payloads := func(args ...string) []string {
		t.Helper()
		return payloadsOf(s.tail(args...))
	}
	require.Equal(t, []string{`"a"`, `"b"`, `"c"`, `"d"`}, payloads())
	require.Equal(t, []string{`"a"`, `"d"`}, payloads("--filter", "tenant=a"))
	require.Equal(t, []string{`"a"`}, payloads("--filter", "tenant=a", "--filter", "kind=y"))
	require.Equal(t, []string{`"a"`, `"b"`, `"d"`}, payloads("--filter", "TENANT"))
	require.Empty(t, payloads("--filter", "tenant="))
	require.Equal(t, []string{`"b"`, `"c"`, `"d"`}, payloads("--partition", "2,1", "--partition", "1"))
	require.Equal(t, []string{`"d"`}, payloads("--since", "1"))
	require.Empty(t, payloads("--since", "end"))
	require.Equal(t, map[string]any{"tenant": "a", "kind": []any{"x", "y"}}, s.tail()[0].Headers)

	s.run("tail", "shop/orders", "--partition", "3").fails(t, 1, "there is no partition 3; there are 0, 1, 2")
	s.run("tail", "shop/orders", "--filter", "=a").fails(t, 2, "--filter must be header=value")
	s.run("tail", "shop/orders", "--payload", "xml").fails(t, 2, "--payload must be auto, text, json, hex or protobuf")
	s.run("tail", "shop/orders", "--payload", "hex", "--type", "Order").fails(t, 2, "--type is for protobuf")
	s.run("tail", "shop/orders", "--since", "1h", "--group", "billing").fails(t, 2, "both say where to begin")
	s.run("tail", "shop/orders", "--group", "nope").fails(t, 1, "consumer group not found")
	s.run("tail", "shop/nope").fails(t, 1, "topic not found")
	s.run("tail", "shop").fails(t, 2, "topics are named STREAM/TOPIC")
	s.run("tail").fails(t, 2, "takes one topic")
}

// TestTailShowsWhereAGroupStands requires that --group shows what the group has not committed, and
// neither joins it nor commits anything.
func TestTailShowsWhereAGroupStands(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for partition := range uint32(3) {
		require.NoError(t, sendTo(t, connectNative(t, s.Server), "shop", "orders", partition, []byte("one"), []byte("two"), []byte("three")))
	}
	s.run("offsets", "set", "shop/orders", "--group", "billing", "--partition", "0", "--offset", "1", "--yes").ok(t)
	s.run("offsets", "set", "shop/orders", "--group", "billing", "--partition", "2", "--offset", "2", "--yes").ok(t)
	require.Equal(t, []string{`"three"`, `"one"`, `"two"`, `"three"`}, payloadsOf(s.tail("--group", "billing")), "2 of partition 0, none of partition 2")
	require.Equal(t, []string{`"three"`}, payloadsOf(s.tail("--group", "billing", "--partition", "0,2")))

	p := s.begin("tail", "shop/orders", "--group", "billing", "--partition", "2", "--follow")
	require.NoError(t, sendTo(t, connectNative(t, s.Server), "shop", "orders", 2, []byte("four")))
	require.Contains(t, p.line(), `"payload":"four"`)
	require.Zero(t, s.Members("shop", "orders", "billing"))
	p.interrupt()
	require.Empty(t, p.end().ok(t))
	offset, _ := s.Committed("shop", "orders", "billing", 2)
	require.EqualValues(t, 2, offset)
}

const ordersProto = `syntax = "proto3";
package shop.v1;
import "shop/v1/common.proto";
import "google/protobuf/any.proto";
message Order { string id = 1; Money total = 2; google.protobuf.Any detail = 3; message Line { string sku = 1; } }
`

// writeProtos writes two files, of which one imports the other.
func writeProtos(t *testing.T) (dir, orders string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "shop", "v1"), 0o700))
	orders = filepath.Join(dir, "shop", "v1", "orders.proto")
	require.NoError(t, os.WriteFile(orders, []byte(ordersProto), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop", "v1", "common.proto"),
		[]byte("syntax = \"proto3\";\npackage shop.v1;\nmessage Money { int64 cents = 1; }\n"), 0o600))
	return dir, orders
}

const orderJSON = `{"id":"o1","total":{"cents":"1999"},"detail":{"@type":"type.googleapis.com/shop.v1.Order.Line","sku":"s"}}`

func TestTailDecodesTheProtobufTypesOfFiles(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	dir, orders := writeProtos(t)
	types := []string{"--proto", orders, "--proto-path", dir}
	s.runIn(orderJSON, append([]string{"publish", "shop/orders", "--file", "-", "--type", "Order"}, types...)...).ok(t)
	stored := s.Messages("shop", "orders")[0]
	require.Equal(t, "\x0a\x02o1", string(stored.Payload[:4]))
	require.Equal(t, map[string]any{"content-type": "application/x-protobuf", "message-type": "shop.v1.Order"}, s.tail()[0].Headers)
	require.Equal(t, "hex", s.tail()[0].PayloadForm, "without the file")
	require.Equal(t, []string{orderJSON}, payloadsOf(s.tail(types...)), "by the header message-type")
	require.Equal(t, []string{orderJSON}, payloadsOf(s.tail(append(types, "--type", "shop.v1.Order")...)))
	require.NoError(t, sendTo(t, connectNative(t, s.Server), "shop", "orders", 2, []byte{0xff}))
	require.Contains(t, s.tail(append(types, "--type", "Money", "--partition", "2")...)[len(s.tail("--partition", "2"))-1].Error, "it is no shop.v1.Money")

	// A descriptor set as protoc writes it: without the files of protobuf itself, unless it is told.
	set := &descriptorpb.FileDescriptorSet{}
	line := &descriptorpb.FileDescriptorProto{
		Name: proto.String("line.proto"), Package: proto.String("shop.v2"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/timestamp.proto", jobspb.File_jobs_proto.Path()},
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Line"), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("sku"), JsonName: proto.String("sku"), Number: proto.Int32(1),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}}},
	}
	set.File = append(set.File, line)
	encoded, err := proto.Marshal(set)
	require.NoError(t, err)
	file := writeFile(t, string(encoded))
	s.runIn(`{"sku":"s"}`, "publish", "shop/orders", "--file", "-", "--proto", file, "--type", "Line").ok(t)
	require.Contains(t, payloadsOf(s.tail("--proto", file)), `{"sku":"s"}`)

	line.Dependency = append(line.Dependency, "missing.proto")
	encoded, err = proto.Marshal(set)
	require.NoError(t, err)
	for why, args := range map[string][]string{
		"--include_imports":                {"--proto", writeFile(t, string(encoded))},
		"--proto-path names the directory": {"--proto", orders},
		"no such file":                     {"--proto", "/nonexistent.proto"},
		"neither a .proto file nor a":      {"--proto", writeFile(t, "hello")},
		"is a directory":                   {"--proto", dir},
		"syntax error":                     {"--proto", filepath.Join(dir, "bad.proto")},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.proto"), []byte("message {"), 0o600))
		s.run(append([]string{"tail", "shop/orders"}, args...)...).fails(t, 1, why)
	}
	s.run(append([]string{"tail", "shop/orders", "--type", "Nope"}, types...)...).fails(t, 2, `there is no message "Nope"; the files of --proto have shop.v1.Money, shop.v1.Order, shop.v1.Order.Line`)
	s.run(append([]string{"tail", "shop/orders", "--type", "Line", "--proto", file}, types...)...).fails(t, 2, `"Line" is one of shop.v1.Order.Line, shop.v2.Line`)
}
