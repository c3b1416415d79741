package jobs_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var (
	origin = topic.Origin{
		Stream: "fetchbox", Topic: "jobs.tasks", Partition: 3, Offset: 42,
		ID: [16]byte{0x01, 0x92, 0xf0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}, Group: "workers",
		Timestamp: time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC),
	}
	failedAt = time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)
)

func TestNewDeadLetterOfATask(t *testing.T) {
	t.Parallel()
	task := validTask()
	letter, headers := jobs.NewDeadLetter(topic.Failure[*jobspb.DownloadTask]{
		Origin: origin, Value: task, Decoded: true, Code: "DOWNLOAD_HTTP_4XX", Err: errors.New("GET a.png: 404"), Attempts: 1, Key: "job-1",
	}, failedAt)
	require.True(t, proto.Equal(&jobspb.DeadLetterTask{
		Task: task, FailureCode: "DOWNLOAD_HTTP_4XX", FailureMessage: "GET a.png: 404", Attempts: 1, FailedAtMs: uint64(failedAt.UnixMilli()),
	}, letter), "%v", letter)
	require.Equal(t, []topic.Header{
		{Key: "origin-stream", Value: "fetchbox"},
		{Key: "origin-topic", Value: "jobs.tasks"},
		{Key: "origin-partition", Value: "3"},
		{Key: "origin-offset", Value: "42"},
		{Key: "origin-id", Value: "0192f000-0000-7000-8000-000000000001"},
		{Key: "origin-group", Value: "workers"},
		{Key: "origin-timestamp", Value: "2026-03-01T12:00:00.000001Z"},
		{Key: "origin-key", Value: "job-1"},
		{Key: "failure-code", Value: "DOWNLOAD_HTTP_4XX"},
		{Key: "failure-cause", Value: "GET a.png: 404"},
		{Key: "failure-timestamp", Value: "2026-03-01T12:00:05Z"},
		{Key: "failure-attempts", Value: "1"},
	}, headers)
	got, ok := deadletter.OriginOf(headers)
	require.True(t, ok)
	require.Equal(t, origin, got)
}

func TestNewDeadLetterOfUndecodableBytes(t *testing.T) {
	t.Parallel()
	letter, headers := jobs.NewDeadLetter(topic.Failure[*jobspb.DownloadTask]{
		Origin: origin, Payload: []byte{0xff, 0x01}, Code: topic.CodeDecode, Err: errors.New("bad wire type"),
		Headers: []topic.Header{
			{Key: "content-encoding", Value: "zstd"},
			{Key: "message-type", Value: "shop.Order"},
			{Key: "content-type", Value: "application/json"},
			{Key: "tenant", Value: "t"},
		},
	}, failedAt)
	require.True(t, proto.Equal(&jobspb.DeadLetterTask{
		Task:        &jobspb.DownloadTask{Attributes: &jobspb.TaskAttributes{Extra: []byte{0xff, 0x01}}},
		FailureCode: "VALIDATION_DECODE", FailureMessage: "bad wire type", FailedAtMs: uint64(failedAt.UnixMilli()),
	}, letter), "%v", letter)
	require.Contains(t, headers, topic.Header{Key: "origin-content-encoding", Value: "zstd"})
	require.Contains(t, headers, topic.Header{Key: "failure-attempts", Value: "0"})
	require.NoError(t, jobs.ValidateDeadLetter(letter))
	require.Empty(t, jobs.DeadLetters.KeyOf(letter), "an unknown job has no key")

	payload, described, ok := jobs.PayloadOf(letter, headers)
	require.True(t, ok)
	require.Equal(t, []byte{0xff, 0x01}, payload)
	require.Equal(t, []topic.Header{
		{Key: "content-encoding", Value: "zstd"},
		{Key: "message-type", Value: "shop.Order"},
		{Key: "content-type", Value: "application/json"},
	}, described)
}

func TestPayloadOfOtherDeadLetters(t *testing.T) {
	t.Parallel()
	of := func(f topic.Failure[*jobspb.DownloadTask]) bool {
		_, _, ok := jobs.PayloadOf(jobs.NewDeadLetter(f, failedAt))
		return ok
	}
	require.True(t, of(topic.Failure[*jobspb.DownloadTask]{Payload: []byte{1}}))
	require.False(t, of(topic.Failure[*jobspb.DownloadTask]{Value: validTask(), Decoded: true}), "it was decoded")
	require.False(t, of(topic.Failure[*jobspb.DownloadTask]{Payload: make([]byte, 10_000_000)}), "it was cut")
	require.False(t, of(topic.Failure[*jobspb.DownloadTask]{}), "it holds nothing")
}

func TestNewDeadLetterFitsTheServersLimits(t *testing.T) {
	t.Parallel()
	const limit = 10_000_000
	payload := []byte(strings.Repeat("x", limit))
	of := func(extra int) *jobspb.DownloadTask {
		task := validTask()
		task.Attributes = &jobspb.TaskAttributes{Extra: payload[:extra]}
		return task
	}
	for _, tt := range []struct {
		name string
		f    topic.Failure[*jobspb.DownloadTask]
		kept bool
	}{
		{"the message gives way first", topic.Failure[*jobspb.DownloadTask]{Value: of(limit - 1000), Decoded: true}, true},
		{"then the task", topic.Failure[*jobspb.DownloadTask]{Value: of(limit - 200), Decoded: true}, false},
		{"undecodable", topic.Failure[*jobspb.DownloadTask]{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.f.Origin, tt.f.Payload, tt.f.Code = origin, payload, "X"
			tt.f.Err = errors.New(strings.Repeat("é", 1<<20))
			letter, headers := jobs.NewDeadLetter(tt.f, failedAt)
			require.LessOrEqual(t, proto.Size(letter), limit)
			require.NotEmpty(t, letter.GetFailureMessage())
			cut := topic.Header{Key: "origin-payload-bytes", Value: strconv.Itoa(limit)}
			if tt.kept {
				require.True(t, proto.Equal(tt.f.Value, letter.GetTask()))
				require.NotContains(t, headers, cut)
				return
			}
			require.Greater(t, len(letter.GetTask().GetAttributes().GetExtra()), limit-100_000, "no more is cut than must be")
			require.Contains(t, headers, cut)
		})
	}
}

func TestNewDeadLetterIsAlwaysPublishable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := func(label string) string {
			return string(rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, label))
		}
		f := topic.Failure[*jobspb.DownloadTask]{
			Origin:   topic.Origin{Stream: text("stream"), Topic: text("topic"), Group: text("group")},
			Payload:  []byte(text("payload")),
			Code:     text("code"),
			Err:      errors.New(text("cause")),
			Attempts: rapid.IntRange(-1, 10).Draw(t, "attempts"),
			Headers:  []topic.Header{{Key: topic.HeaderContentEncoding, Value: text("encoding")}},
		}
		for range rapid.IntRange(0, 500).Draw(t, "own headers") {
			f.Headers = append(f.Headers, topic.Header{Key: text("key"), Value: text("value")})
		}
		letter, headers := jobs.NewDeadLetter(f, failedAt)
		if err := jobs.ValidateDeadLetter(letter); err != nil {
			t.Fatal(err)
		}
		if _, err := proto.Marshal(letter); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, h := range headers {
			size += wire.HeaderSize(h.Key, h.Value)
			if len(h.Key) < 1 || len(h.Key) > 255 {
				t.Fatalf("header with the key %q", h.Key)
			}
			if len(h.Value) < 1 || len(h.Value) > 255 || !utf8.ValidString(h.Value) {
				t.Fatalf("header %s: %q", h.Key, h.Value)
			}
		}
		if size > iggyerr.MaxHeaderBytes-1000 {
			t.Fatalf("headers of %d bytes, without those of the producer", size)
		}
	})
}

func TestOriginOfDeadLettersOfOtherPrograms(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string][]topic.Header{
		"none":    nil,
		"partial": {{Key: "origin-stream", Value: "s"}, {Key: "origin-topic", Value: "t"}},
		"broken": {
			{Key: "origin-stream", Value: "s"},
			{Key: "origin-topic", Value: "t"},
			{Key: "origin-partition", Value: "-1"},
			{Key: "origin-offset", Value: "0"},
			{Key: "origin-id", Value: "0192f000-0000-7000-8000-000000000001"},
		},
	} {
		_, ok := deadletter.OriginOf(headers)
		require.False(t, ok, name)
	}
}

// Whoever replays a dead letter, or looks for its cause, needs the headers of the application.
func TestDeadLetterKeepsTheHeadersOfItsMessage(t *testing.T) {
	t.Parallel()
	own := []topic.Header{{Key: "tenant", Value: "a"}, {Key: "tenant", Value: "b"}, {Key: "Priority", Value: "1"}}
	added := []topic.Header{
		{Key: "Content-Type", Value: "text/plain"},
		{Key: "message-type", Value: "x"},
		{Key: "content-encoding", Value: "br"},
		{Key: "origin-offset", Value: "7"},
		{Key: "failure-code", Value: "OLD"}, // of an earlier dead letter
	}
	traced := topic.Header{Key: "traceparent", Value: "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01"}
	_, headers := jobs.NewDeadLetter(topic.Failure[*jobspb.DownloadTask]{
		Origin: origin, Value: validTask(), Decoded: true, Err: errors.New("404"), Attempts: 1,
		Headers: append(append(append(added, own...), traced), topic.Header{Key: "Traceparent", Value: "a second one is refused by the producer"}),
	}, failedAt)
	own = append(own, traced)
	require.Equal(t, own, headers[len(headers)-4:])
	require.Equal(t, own, jobs.OwnHeaders(headers))
	got, ok := deadletter.OriginOf(headers)
	require.True(t, ok)
	require.Equal(t, origin, got, "not that of the earlier dead letter")
	keys := map[string]int{}
	for _, h := range headers {
		keys[strings.ToLower(h.Key)]++
	}
	require.Equal(t, 1, keys["origin-offset"])
	require.Equal(t, 1, keys["failure-code"])
	require.Zero(t, keys["content-type"]+keys["message-type"]+keys["content-encoding"], "they described the message's payload")
}

func TestLongFailureMessageEndsWithItsSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		strings.Repeat("x", 8<<10): strings.Repeat("x", 8<<10),
		strings.Repeat("x", 9<<20): strings.Repeat("x", 8<<10-19) + "… (9437184 bytes)",
	} {
		letter, _ := jobs.NewDeadLetter(topic.Failure[*jobspb.DownloadTask]{Err: errors.New(text)}, failedAt)
		require.Equal(t, want, letter.GetFailureMessage())
	}
}
