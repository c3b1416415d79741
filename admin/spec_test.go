package admin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

const day = 24 * time.Hour

func specFor(stream string) admin.Spec {
	return admin.Spec{
		{Stream: stream, Name: "jobs.tasks", Settings: topic.Settings{Partitions: 8, Retention: 7 * day}, Groups: config.DefaultConsumer("workers").Groups()},
		{Stream: stream, Name: "jobs.status", Settings: topic.Settings{Partitions: 4, Retention: 14 * day}, Groups: config.DefaultConsumer("operators").Groups()},
		{Stream: stream, Name: "jobs.logs", Settings: topic.Settings{Partitions: 4, Retention: topic.RetentionForever}, Groups: []string{"operators"}},
		{Stream: stream, Name: "jobs.dlq", Settings: topic.Settings{Partitions: 2, MaxSize: 2 << 30}},
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	orders := topic.New("shop", "orders", topic.Bytes(), topic.WithSettings[[]byte](topic.Settings{Partitions: 3}))
	require.Equal(t, admin.TopicSpec{Stream: "shop", Name: "orders", Settings: topic.Settings{Partitions: 3}, Groups: []string{"g"}}, admin.Of(orders, "g"))
}

func TestBadSpecIsRejected(t *testing.T) {
	t.Parallel()
	a := newAdmin(t, settings("iggy://127.0.0.1:1")) // nothing is sent
	_, err := a.Provision(newContext(t), admin.Spec{
		{Stream: "", Name: "t"},
		{Stream: "s", Name: "t", Groups: []string{""}},
		{Stream: "s", Name: "u"},
		{Stream: "s", Name: "u", Settings: topic.Settings{Partitions: 2}},
		{Stream: "s", Name: "many", Settings: topic.Settings{Partitions: 1001}},
		{Stream: "s", Name: "past", Settings: topic.Settings{Retention: -time.Hour}},
		{Stream: "s", Name: "short", Settings: topic.Settings{Retention: time.Nanosecond}},
	})
	require.ErrorContains(t, err, "the stream's name has 0 bytes")
	require.ErrorContains(t, err, "the group's name has 0 bytes")
	require.ErrorContains(t, err, "s/u: is specified twice with different settings")
	require.ErrorContains(t, err, "s/many: 1001 partitions: must be 1 to 1000")
	require.ErrorContains(t, err, "s/past: retention -1h0m0s: must be")
	require.ErrorContains(t, err, "s/short: retention 1ns: must be")
}

func TestSpecMergesGroups(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	report, err := newAdmin(t, settings(server.Address())).Plan(newContext(t), admin.Spec{
		{Stream: "s", Name: "t", Groups: []string{"b", "a"}},
		{Stream: "s", Name: "t", Groups: []string{"b", "c"}},
	})
	require.NoError(t, err)
	require.Equal(t, "+ stream s\n+ topic  s/t: 1 partition, the server's retention\n+ group  s/t group a\n+ group  s/t group b\n+ group  s/t group c\n", report.String())
}
