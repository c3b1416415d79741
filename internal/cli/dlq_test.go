package cli_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func failure(job, resource, code string, offset uint64) topic.Failure[*jobspb.DownloadTask] {
	return topic.Failure[*jobspb.DownloadTask]{
		Origin: topic.Origin{
			Stream: "fetchbox", Topic: "jobs.tasks", Partition: 1, Offset: offset, ID: [16]byte{byte(offset + 1)},
			Group: "workers", Timestamp: time.Now(),
		},
		Value:   &jobspb.DownloadTask{JobId: job, ResourceId: resource, Url: "http://x/" + resource},
		Decoded: true, Code: code, Err: errors.New("it \x1b[31mfailed"), Attempts: 5,
	}
}

// newSystemWithDeadLetters is a system with four dead letters: one is stored twice, one can't be
// replayed.
func newSystemWithDeadLetters(t *testing.T) system {
	s := newSystem(t)
	p := s.publisher()
	for _, f := range []topic.Failure[*jobspb.DownloadTask]{
		failure("a", "1", "DOWNLOAD_TIMEOUT", 1), failure("a", "1", "DOWNLOAD_TIMEOUT", 1),
		failure("a", "2", "DOWNLOAD_HTTP_4XX", 2), failure("b", "3", "HANDLER_ERROR", 3),
	} {
		require.NoError(t, p.DeadLetter(t.Context(), f))
	}
	undecoded := failure("", "", topic.CodeDecode, 4)
	undecoded.Decoded, undecoded.Value, undecoded.Payload = false, nil, []byte{0xff}
	require.NoError(t, p.DeadLetter(t.Context(), undecoded))
	return s
}

type listedLetter struct {
	Position, State, Code, Unfit string
	JobID                        string `json:"job_id"`
	Replays                      int
}

func (s system) list(args ...string) []listedLetter {
	s.t.Helper()
	return jsonLines[listedLetter](s.t, s.run(append([]string{"dlq", "list", "-o", "json"}, args...)...).ok(s.t))
}
