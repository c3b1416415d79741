package cli_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// TestOutputIsSameOnRealServer requires the same output with the embedded server as with a real
// one.
func TestOutputIsSameOnRealServer(t *testing.T) {
	t.Parallel()
	endpoint := os.Getenv("IGGY_TEST_ENDPOINT")
	if endpoint == "" {
		t.Skip("IGGY_TEST_ENDPOINT (iggy://user:password@host:port) names no real server")
	}
	onEmbedded := runSession(t, "iggy://iggy:iggy@"+iggytest.NewServer(t).Address())
	onReal := runSession(t, endpoint)
	require.Equal(t, strings.Join(onEmbedded, "\n---\n"), strings.Join(onReal, "\n---\n"))
}

// volatile matches what differs between two runs.
var volatile = regexp.MustCompile(`\S+/input\.json|\d{4}-\d\d-\d\d[ T][0-9:.]+Z?|"(?:id|run|by|state_since|failed_at|failure-timestamp|at)":\s*"[^"]*"|"timestampMs":\s*"\d+"|127\.0\.0\.1:\d+|\d+ connections?|(?m:^(?:warning|        fix).*$)|[0-9.]+[mµ]s`)

func runSession(t *testing.T, endpoint string) []string {
	t.Helper()
	stream := "cli-" + time.Now().Format("150405.000000")
	file := writeFile(t, topicsIn(stream))
	sender, publisher := publisherAt(t, endpoint, stream)
	var output []string
	do := func(args ...string) string {
		t.Helper()
		r := run(t, append(args, "--config", file, "--endpoint", endpoint)...)
		text := fmt.Sprintf("%s: %d\n%s%s", strings.Join(args[:2], " "), r.code, r.out, r.err)
		output = append(output, strings.ReplaceAll(volatile.ReplaceAllString(text, "…"), stream, "STREAM"))
		return r.out
	}
	do("lag", "tasks")
	do("provision", "--dry-run")
	do("provision", "--yes")
	do("provision", "--yes")
	do("ping", "--output", "text")
	// One job after the other: partitions are written side by side.
	do("publish-task", "--file", writeFile(t, taskJSON+taskJSON))
	do("publish-task", "--file", writeFile(t, strings.ReplaceAll(taskJSON, `"j"`, `"k"`)))
	do("publish-task", "--file", writeFile(t, taskJSON+"{"))
	do("tail-tasks", "--since", "first")
	do("tail-tasks", "--job-id", "k")
	do("tail-tasks", "--since", "1h", "--output", "text")
	do("tail-tasks", "--since", "2120-01-01T00:00:00Z")
	do("tail-tasks", "--job-id", "nope")
	do("lag", "tasks")
	do("lag", stream, "--output", "json")
	do("offsets", "set", "tasks", "--partition", "0", "--offset", "77")
	do("offsets", "reset", "tasks", "--to", "end", "--yes")
	do("lag", "tasks")
	do("offsets", "reset", "tasks", "--to", "1h", "--yes")
	do("dlq", "list")
	require.NoError(t, publisher.DeadLetter(t.Context(), failure("a", "1", "DOWNLOAD_TIMEOUT", 1)))
	require.NoError(t, publisher.DeadLetter(t.Context(), failure("b", "2", "HANDLER_ERROR", 2)))
	do("dlq", "list")
	do("dlq", "replay", "--code", "DOWNLOAD_*", "--dry-run")
	do("dlq", "replay", "--code", "DOWNLOAD_*", "--yes")
	do("dlq", "replay", "--code", "DOWNLOAD_*", "--yes")
	do("dlq", "drop", "--job-id", "b", "--yes")
	do("dlq", "list", "--state", "all")
	do("tail-tasks", "--job-id", "a")

	own := stream + "/own"
	do("tail", own)
	do("provision", own, "--partitions", "2", "--retention", "1h", "--group", "billing", "--yes")
	do("tail", own)
	do("topics", own)
	do("groups", stream)
	do("publish", own, "--file", writeFile(t, "one\ntwo\nthree\n"), "--format", "lines", "--partition", "0", "--header", "tenant=a")
	do("publish", own, "--file", writeFile(t, `{"key": "acme", "payload": {"a": 1}} {"key": "acme", "payload": "ff", "payload_form": "hex"}`), "--format", "json")
	do("publish", own, "--file", writeFile(t, "x"), "--partition", "2")
	do("tail", own)
	do("tail", own, "--since", "1h", "--filter", "tenant=a", "--output", "text")
	do("tail", own, "--since", "2", "--partition", "0")
	do("topics", own)
	do("topics", own, "--output", "json")
	do("offsets", "set", own, "--group", "billing", "--partition", "0", "--offset", "1", "--yes")
	do("tail", own, "--group", "billing", "--partition", "0,1")
	do("groups", own)
	do("lag", own, "--output", "json")
	do("doctor", own)

	dlq := deadletter.TopicOf(topic.New(stream, "own", topic.Bytes()), config.DefaultConsumer("billing"))
	do("provision", dlq.String(), "--yes")
	do("dlq", "list", dlq.String())
	for i, code := range []string{"PAYMENT_REFUSED", topic.CodeDecode} {
		origin := topic.Origin{Stream: stream, Topic: "own", Partition: 1, Offset: uint64(i), ID: [16]byte{byte(i + 1)}, Group: "billing"}
		require.NoError(t, deadletter.New[[]byte](sender, dlq).DeadLetter(t.Context(), topic.Failure[[]byte]{
			Origin: origin, Code: code, Attempts: i, Raw: topic.RawMessage{ID: origin.ID, Payload: []byte("x")},
		}))
	}
	do("dlq", "list", dlq.String())
	do("dlq", "show", dlq.String(), "0/0")
	do("dlq", "list", own)
	do("dlq", "replay", dlq.String(), "--all", "--yes")
	do("dlq", "replay", dlq.String(), "--all", "--yes")
	do("dlq", "drop", dlq.String(), "--all", "--yes")
	do("dlq", "list", dlq.String(), "--state", "all", "--output", "json")
	do("tail", own, "--filter", "replay-of")
	return output
}

func publisherAt(t *testing.T, endpoint, stream string) (*producer.Producer, *jobs.Publisher) {
	t.Helper()
	u, err := url.Parse(endpoint)
	require.NoError(t, err)
	password, _ := u.User.Password()
	cfg := jobs.DefaultCluster()
	cfg.Iggy.Endpoint = "iggy://" + u.Host
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = u.User.Username(), config.NewSecret(password)
	for name, t := range cfg.Topics.Declared {
		t.Stream = stream
		cfg.Topics.Declared[name] = t
	}
	server, err := admin.New(cfg.Iggy)
	require.NoError(t, err)
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, p.Stop(ctx))
		require.NoError(t, server.DeleteStream(ctx, stream))
		require.NoError(t, server.Close())
	})
	return p, jobs.NewPublisher(p, jobs.FromConfig(cfg.Topics))
}
