package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

const letterTopic = "shop/orders.billing.dlq"

// letters writes dead letters of shop/orders as a consumer of the group billing does.
type letters struct {
	system
	sink *deadletter.Sink[[]byte]
}

func newLetters(t *testing.T, opts ...embedded.Option) letters {
	t.Helper()
	s := system{iggytest.NewServer(t, opts...), t}
	s.run("provision", "shop/orders", "--partitions", "3", "--group", "billing", "--yes").ok(t)
	s.run("provision", letterTopic, "--partitions", "2", "--retention", "90d", "--yes").ok(t)
	orders := topic.New("shop", "orders", topic.Bytes())
	return letters{s, deadletter.New[[]byte](s.producer(s.cluster()), deadletter.TopicOf(orders, config.DefaultConsumer("billing")))}
}

// failed is a message that was given up.
type failed struct {
	partition uint32
	offset    uint64
	code      string
	payload   string
	headers   []string // names and values
	from      string   // the topic, orders without one
	more      string   // of the error's text
}

func (l letters) write(all ...failed) {
	l.t.Helper()
	for _, f := range all {
		var headers []byte
		for i := 0; i < len(f.headers); i += 2 {
			headers = wire.AppendHeader(headers, f.headers[i], f.headers[i+1])
		}
		origin := topic.Origin{
			Stream: "shop", Topic: "orders", Partition: f.partition, Offset: f.offset, ID: [16]byte{byte(f.partition + 1), byte(f.offset + 1)},
			Group: "billing", Timestamp: time.Now(),
		}
		if f.from != "" {
			origin.Topic = f.from
		}
		require.NoError(l.t, l.sink.DeadLetter(l.t.Context(), topic.Failure[[]byte]{
			Origin: origin, Code: f.code, Err: errors.New("it \x1b[31mfailed" + f.more), Attempts: 5, Key: "acme",
			Raw: topic.RawMessage{
				Stream: origin.Stream, Topic: origin.Topic, Partition: f.partition, Offset: f.offset, ID: origin.ID, Timestamp: origin.Timestamp,
				Payload: []byte(f.payload), Headers: headers,
			},
		}))
	}
}

func (l letters) list(args ...string) []listedLetter {
	l.t.Helper()
	return jsonLines[listedLetter](l.t, l.run(append([]string{"dlq", "list", letterTopic, "-o", "json"}, args...)...).ok(l.t))
}

func (l letters) replay(args ...string) replayCounts {
	l.t.Helper()
	return jsonOf[replayCounts](l.t, l.run(append([]string{"dlq", "replay", letterTopic, "--yes", "-o", "json"}, args...)...).ok(l.t))
}

// headersOf are the headers of a stored message.
func headersOf(t *testing.T, m iggytest.Message) (headers []string) {
	t.Helper()
	require.NoError(t, wire.RangeHeaders(m.UserHeaders, func(key, value string) bool {
		headers = append(headers, key+"="+value)
		return true
	}))
	return headers
}

func TestDLQListsTheLettersOfAnyTopic(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	require.Equal(t, "no dead letters (--state open)\n", l.run("dlq", "list", letterTopic).ok(t))
	l.write(
		failed{1, 7, "PAYMENT_REFUSED", "a", []string{"tenant", "a"}, "", ""}, failed{1, 7, "PAYMENT_REFUSED", "a", nil, "", ""},
		failed{0, 3, "HANDLER_ERROR", "b", []string{"tenant", "b"}, "", ""}, failed{2, 9, topic.CodeDecode, "\xff", nil, "", ""},
	)
	require.Len(t, l.list(), 3, "a copy counts once")
	out := l.run("dlq", "list", letterTopic).ok(t)
	require.Regexp(t, `(?m)^POSITION +FAILED AT +ORIGIN +CODE +ATTEMPTS +STATE +CAUSE$`, out)
	require.Regexp(t, `(?m)^[01]/\d +\S+ \S+ +shop/orders/1/7 +PAYMENT_REFUSED +5 +open +it \\u001b\[31mfailed$`, out)
	require.Len(t, l.list("--filter", "tenant=a"), 1)
	require.Len(t, l.list("--filter", "origin-partition=0"), 1)
	require.Len(t, l.list("--code", "PAYMENT_*"), 1)
	require.Empty(t, l.list("--until", "1h"))
	require.Contains(t, l.list("--code", topic.CodeDecode)[0].Unfit, "--undecoded")

	l.run("dlq", "list", "shop/orders").ok(t)
	require.NoError(t, sendTo(t, connectNative(t, l.Server), "shop", "orders", 0, []byte("one")))
	l.run("dlq", "list", "shop/orders").fails(t, 1, "shop/orders has no dead letters but other messages; there are dead letters in "+letterTopic)
	require.NoError(t, sendTo(t, connectNative(t, l.Server), "shop", "orders.billing.dlq", 0, []byte("one")))
	require.Contains(t, l.run("dlq", "list", letterTopic).err, "1 message in "+letterTopic+" are no dead letters")
	require.Len(t, l.list(), 3)

	l.run("dlq", "list", letterTopic, "--job-id", "1").fails(t, 1, `no dead letter of job "1"`)
	l.run("dlq", "list", letterTopic, "0/1").fails(t, 2, "takes one topic only")
	l.run("dlq", "list", "shop/nope").fails(t, 1, "topic not found")
	l.run("dlq", "list", "shop").fails(t, 2, "is no topic")
	l.run("dlq", "list").fails(t, 1, "fetchbox/jobs.dlq")
	l.run("dlq", "list", "shop/"+strings.Repeat("n", 250)).fails(t, 2, ".marks appended")
}

func TestDLQShowsTheMessageOfALetter(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	compressed := encoder.EncodeAll([]byte(`{"total": 3}`), nil)
	l.write(failed{1, 7, "PAYMENT_REFUSED", string(compressed), []string{"content-encoding", "zstd", "tenant", "a", "tenant", "b"}, "", ""})
	position := l.list()[0].Position
	shown := jsonOf[struct {
		State, Code, Cause, ID string
		Attempts               int
		Origin                 struct {
			Stream, Topic, Group string
			Partition, Offset    int
		}
		Headers map[string]any
		Message struct {
			Partition, Offset int
			Headers           map[string]any
			Payload           json.RawMessage
		}
		History []any
	}](t, l.run("dlq", "show", letterTopic, position, "-o", "json").ok(t))
	require.Equal(t, "open PAYMENT_REFUSED it \x1b[31mfailed", shown.State+" "+shown.Code+" "+shown.Cause)
	require.Equal(t, "02080000-0000-0000-0000-000000000000", shown.ID)
	require.Equal(t, "shop orders billing 1 7", fmt.Sprint(shown.Origin.Stream, " ", shown.Origin.Topic, " ", shown.Origin.Group, " ", shown.Origin.Partition, " ", shown.Origin.Offset))
	require.Equal(t, "5", shown.Headers["failure-attempts"])
	require.Equal(t, map[string]any{"tenant": []any{"a", "b"}}, shown.Message.Headers, "the message's own")
	require.Equal(t, 7, shown.Message.Offset)
	require.JSONEq(t, `{"total": 3}`, string(shown.Message.Payload))
	require.Contains(t, l.run("dlq", "show", letterTopic, position, "--payload", "hex").ok(t), `"payload": "7b22746f74616c223a20337d"`)

	l.run("dlq", "show", letterTopic, "0/99").fails(t, 1, "there is no dead letter at 0/99 in "+letterTopic)
	l.run("dlq", "show", letterTopic).fails(t, 2, "takes one position")
	l.run("dlq", "show", letterTopic, "0/1", "0/2").fails(t, 2, "takes one position")
	l.run("dlq", "show", letterTopic, "first").fails(t, 2, "position, such as 0/12")
}

func TestDLQReplaysAnyMessageByteForByte(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.run("provision", "shop/returns", "--yes").ok(t)
	own := []string{"content-encoding", "zstd", "tenant", "a", "traceparent", "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01"}
	l.write(
		failed{1, 7, "PAYMENT_REFUSED", "\x00not really zstd", own, "", ""}, failed{1, 8, "PAYMENT_REFUSED", "second", nil, "", ""},
		failed{0, 3, "PAYMENT_REFUSED", "keyed", []string{"partition-key", "k"}, "", ""}, failed{0, 0, "HANDLER_ERROR", "other", nil, "returns", ""},
		failed{2, 9, topic.CodeDecode, "\xff", nil, "", ""},
	)
	require.Contains(t, l.run("dlq", "replay", letterTopic, "--all", "--dry-run").ok(t), "would replay 5 dead letters")
	first := l.list("--filter", "tenant=a")[0].Position
	require.Equal(t, replayCounts{Replayed: 1}, l.replay(first))
	counts := l.replay("--all")
	require.Equal(t, 3, counts.Replayed)
	require.Len(t, counts.Unfit, 1)

	sent := map[string]iggytest.Message{}
	for _, m := range append(l.Messages("shop", "orders"), l.Messages("shop", "returns")...) {
		sent[string(m.Payload)] = m
	}
	require.Len(t, sent, 4)
	m := sent["\x00not really zstd"]
	require.EqualValues(t, 1, m.Partition)
	require.Equal(t, []string{
		"replay-of=orders.billing.dlq/" + first, "content-encoding=zstd", "tenant=a", "traceparent=00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01",
	}, headersOf(t, m))
	origin := topic.Origin{Stream: "shop", Topic: "orders", Partition: 1, Offset: 7, ID: [16]byte{2, 8}, Group: "billing"}
	require.Equal(t, uuid.UUID(deadletter.ReplayID(deadletter.Identity(origin), 0)), uuid.UUID(m.ID))
	require.Equal(t, wire.PartitionOf("k", 3), sent["keyed"].Partition)
	require.EqualValues(t, 1, sent["second"].Partition)

	require.Zero(t, l.replay("--all").Replayed, "it may be repeated")
	require.Len(t, l.list("--state", "replayed"), 4)
	require.Equal(t, replayCounts{Replayed: 1}, l.replay("--all", "--undecoded"))
	require.Equal(t, replayCounts{Replayed: 1}, l.replay(first, "--state", "replayed"))
	require.Equal(t, 2, l.list("--filter", "tenant=a", "--state", "all")[0].Replays)
	require.Len(t, l.Messages("shop", "orders"), 5)
	require.EqualValues(t, 1, l.Messages("shop", "orders.billing.dlq.marks")[0].Partition+1, "the marks have one partition")
	require.Contains(t, l.run("topics", "shop/orders.billing.dlq.marks").ok(t), "180d")
}

// TestDLQReplaysToFewerPartitions requires that a dead letter can be replayed whose partition is gone.
func TestDLQReplaysToFewerPartitions(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.write(failed{7, 1, "HANDLER_ERROR", "x", nil, "", ""})
	l.run("dlq", "replay", letterTopic, "--all", "--yes").fails(t, 1, "partition 7 of shop/orders, which has 3")
	require.Equal(t, replayCounts{Replayed: 1}, l.replay("--all", "--ignore-partition"))
	require.Equal(t, "x", string(l.Messages("shop", "orders")[0].Payload))
}

func TestDLQReplayLeavesOutWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	long := []string{}
	for i := range 400 {
		long = append(long, fmt.Sprintf("h%03d", i), strings.Repeat("v", 240))
	}
	l.write(failed{0, 1, "HANDLER_ERROR", "x", long, "", ""}, failed{0, 2, "HANDLER_ERROR", "y", nil, "gone", ""})
	r := l.run("dlq", "replay", letterTopic, "--all", "--yes", "-o", "json")
	require.Equal(t, 1, r.code)
	counts := jsonOf[replayCounts](t, r.out)
	require.Equal(t, 1, counts.Failed)
	require.Len(t, counts.Unfit, 1)
	require.Contains(t, r.err, "headers omitted: ")
	require.Contains(t, r.err, "shop/gone")
	require.Len(t, l.list(), 2, "both are open")

	require.Equal(t, "dropped 2 dead letters\n", l.run("dlq", "drop", letterTopic, "--all", "--yes").ok(t))
	require.Empty(t, l.list())
	require.Len(t, l.list("--state", "dropped"), 2)
	l.run("dlq", "drop", letterTopic, "--yes").fails(t, 2, "select the dead letters to drop")
	l.run("dlq", "drop", letterTopic, "1/77", "--yes").fails(t, 1, "1/77: no dead letter there, or not open")
}

// TestDLQReplayGivesUpTogether requires that a server that does not answer is waited for once, and not
// by each message.
func TestDLQReplayGivesUpTogether(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	for i := range uint64(20) {
		l.write(failed{0, i, "HANDLER_ERROR", "x", nil, "", ""})
	}
	isOrders := func(r iggytest.Request) bool {
		return !strings.Contains(string(r.Body[:min(len(r.Body), 60)]), ".marks")
	}
	l.Inject(iggytest.Silence().On(embedded.SendMessages).When(isOrders))
	hasty := writeFile(t, "iggy: {request_timeout: 300ms}\nproducer: {delivery_timeout: 700ms}\n")
	begun := time.Now()
	r := l.run("dlq", "replay", letterTopic, "--all", "--yes", "-o", "json", "--config", hasty)
	require.Equal(t, 1, r.code)
	require.Less(t, time.Since(begun), 10*time.Second)
	counts := jsonOf[replayCounts](t, r.out)
	require.Equal(t, 20, counts.Failed+counts.Unknown, "%+v", counts)
	require.GreaterOrEqual(t, counts.Failed, 19)
}

func TestDLQReplayFindsMessagesOfEarlierRun(t *testing.T) {
	t.Parallel()
	var past atomic.Int64
	past.Store(int64(time.Hour))
	l := newLetters(t, embedded.WithClock(func() time.Time { return time.Now().Add(-time.Duration(past.Load())) }))
	l.write(failed{0, 1, "HANDLER_ERROR", "x", nil, "", ""}, failed{1, 2, "HANDLER_ERROR", "y", nil, "", ""})
	isMark := func(r iggytest.Request) bool {
		return strings.Contains(string(r.Body[:min(len(r.Body), 60)]), ".marks") && len(l.Messages("shop", "orders")) > 0
	}
	refused := l.Inject(iggytest.Answer(embedded.StatusUnauthorized).On(embedded.SendMessages).When(isMark))
	l.run("dlq", "replay", letterTopic, "--all", "--yes").fails(t, 1, "marks")
	refused.Remove()
	require.Len(t, l.Messages("shop", "orders"), 2)
	past.Store(int64(50 * time.Minute)) // the claims of the first run have expired
	l.write(failed{0, 3, "HANDLER_ERROR", "z", nil, "", ""})
	require.Equal(t, replayCounts{Replayed: 1, Found: 2}, l.replay("--all"))
	require.Len(t, l.Messages("shop", "orders"), 3)
}

func TestDLQReplaysConcurrentlyAndInOrder(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	for i := range uint64(60) {
		l.write(failed{uint32(i % 3), i, "HANDLER_ERROR", fmt.Sprintf("%02d", i), nil, "", ""})
	}
	results := make([]result, 3)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i] = l.run("dlq", "replay", letterTopic, "--all", "--yes", "-o", "json") })
	}
	all.Wait()
	replayed := 0
	for _, r := range results {
		replayed += jsonOf[replayCounts](t, r.ok(t)).Replayed
	}
	require.Equal(t, 60, replayed)
	last := map[uint32]string{}
	messages := l.Messages("shop", "orders")
	require.Len(t, messages, 60)
	for _, m := range messages {
		require.Greater(t, string(m.Payload), last[m.Partition])
		last[m.Partition] = string(m.Payload)
	}
}

// TestDLQDistinguishesTheFormats requires that FetchBox's dead letters are known by their form in any
// topic, and that a dead letter of one of them is not taken for it.
func TestDLQDistinguishesTheFormats(t *testing.T) {
	t.Parallel()
	s := newSystemWithDeadLetters(t)
	elsewhere := writeFile(t, "topics:\n  dlq: {stream: fetchbox, name: other.dlq}\n")
	s.run("provision", "--yes", "--config", elsewhere).ok(t)
	listed := jsonLines[listedLetter](t, s.run("dlq", "list", "fetchbox/jobs.dlq", "--config", elsewhere, "-o", "json").ok(t))
	require.Equal(t, "a", listed[0].JobID)

	stored := s.Messages("fetchbox", "jobs.dlq")[0]
	sink := deadletter.New[[]byte](s.producer(s.cluster()), deadletter.TopicOf(topic.New("fetchbox", "jobs.dlq", topic.Bytes()), config.DefaultConsumer("watch")))
	s.run("provision", "fetchbox/jobs.dlq.watch.dlq", "--yes").ok(t)
	require.NoError(t, sink.DeadLetter(t.Context(), topic.Failure[[]byte]{
		Origin: topic.Origin{Stream: "fetchbox", Topic: "jobs.dlq", Partition: stored.Partition, Offset: stored.Offset, ID: stored.ID, Group: "watch"},
		Code:   "HANDLER_ERROR", Raw: topic.RawMessage{ID: stored.ID, Payload: stored.Payload, Headers: stored.UserHeaders},
	}))
	require.Contains(t, s.run("dlq", "list", "fetchbox/jobs.dlq.watch.dlq").ok(t), "fetchbox/jobs.dlq/")
	s.run("dlq", "replay", "fetchbox/jobs.dlq.watch.dlq", "--all", "--yes").ok(t)
	require.Empty(t, s.Messages("fetchbox", "jobs.tasks"))
	all := s.Messages("fetchbox", "jobs.dlq")
	i := slices.IndexFunc(all, func(m iggytest.Message) bool {
		return strings.HasPrefix(headersOf(t, m)[0], "replay-of=jobs.dlq.watch.dlq/")
	})
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, stored.Payload, all[i].Payload)
}

func TestCompletionOfDeadLetters(t *testing.T) {
	t.Parallel()
	l := newLetters(t)
	l.write(failed{0, 1, "HANDLER_ERROR", "x", nil, "", ""}, failed{0, 2, "HANDLER_ERROR", "y", nil, "", ""})
	at := "--endpoint=iggy:iggy@" + l.Address()
	all := []string{l.list()[0].Position, l.list()[1].Position}
	require.Equal(t, all, completions(t, "dlq", "replay", at, letterTopic, ""))
	require.Equal(t, all[1:], completions(t, "dlq", "drop", at, letterTopic, all[0], ""))
	require.Equal(t, all, completions(t, "dlq", "show", at, letterTopic, all[0][:2]))
	require.Empty(t, completions(t, "dlq", "show", at, letterTopic, all[0], ""))
	require.Equal(t, []string{"shop/orders.billing.dlq"}, completions(t, "dlq", "list", at, "shop/orders.b"))
	l.replay(all[0])
	require.Equal(t, all[1:], completions(t, "dlq", "replay", at, letterTopic, ""))
}
