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
		Origin: origin, Value: task, Decoded: true, Code: "DOWNLOAD_HTTP_4XX", Err: errors.New("GET a.png: 404"), Attempts: 1,
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
		{Key: "failure-code", Value: "DOWNLOAD_HTTP_4XX"},
		{Key: "failure-cause", Value: "GET a.png: 404"},
		{Key: "failure-attempts", Value: "1"},
	}, headers)
	got, ok := jobs.OriginOf(headers)
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
		letter, headers := jobs.NewDeadLetter(f, failedAt)
		if err := jobs.ValidateDeadLetter(letter); err != nil {
			t.Fatal(err)
		}
		if _, err := proto.Marshal(letter); err != nil {
			t.Fatal(err)
		}
		for _, h := range headers {
			if len(h.Value) < 1 || len(h.Value) > 255 || !utf8.ValidString(h.Value) {
				t.Fatalf("header %s: %q", h.Key, h.Value)
			}
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
		_, ok := jobs.OriginOf(headers)
		require.False(t, ok, name)
	}
}
