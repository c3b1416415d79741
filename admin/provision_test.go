package admin_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestPlanAndProvision(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		core, logs := observer.New(zap.DebugLevel)
		a, ctx := newAdmin(t, cfg, admin.WithLogger(zap.New(core))), newContext(t)
		stream := newStream(t, a)
		spec := specFor(stream)
		text := "+ stream " + stream + "\n" +
			"+ topic  " + stream + "/jobs.tasks: 8 partitions, retention 7d\n" +
			"+ group  " + stream + "/jobs.tasks group workers\n" +
			"+ group  " + stream + "/jobs.tasks group workers.balance\n" +
			"+ topic  " + stream + "/jobs.status: 4 partitions, retention 14d\n" +
			"+ group  " + stream + "/jobs.status group operators\n" +
			"+ group  " + stream + "/jobs.status group operators.balance\n" +
			"+ topic  " + stream + "/jobs.logs: 4 partitions, retention for ever\n" +
			"+ group  " + stream + "/jobs.logs group operators\n" +
			"+ topic  " + stream + "/jobs.dlq: 2 partitions, the server's retention, at most 2GiB\n"

		plan, err := a.Plan(ctx, spec)
		require.NoError(t, err)
		require.Equal(t, text, plan.String())
		_, err = a.Topics(ctx, stream)
		require.ErrorIs(t, err, iggyerr.ErrNotFound, "a plan does nothing")
		require.Zero(t, logs.Len())

		report, err := a.Provision(ctx, spec)
		require.NoError(t, err)
		// Once the topic is there, the server's retention is known.
		resolved := strings.Replace(text, "the server's retention", "retention for ever", 1)
		require.Equal(t, resolved, report.String())
		require.Equal(t, 1, logs.FilterField(zap.String("detail", "2 partitions, retention for ever, at most 2GiB")).Len())
		require.Equal(t, 10, logs.FilterMessage("created").Len())

		topics, err := a.Topics(ctx, stream)
		require.NoError(t, err)
		require.Len(t, topics, 4)
		for i := range topics {
			require.WithinDuration(t, time.Now(), topics[i].Created, time.Hour)
			topics[i].Created = time.Time{}
		}
		require.Equal(t, admin.Topic{Stream: stream, Name: "jobs.logs", Partitions: 4, Retention: topic.RetentionForever}, topics[1])
		require.Equal(t, admin.Topic{Stream: stream, Name: "jobs.tasks", Partitions: 8, Retention: 7 * day}, topics[3])
		require.EqualValues(t, 2<<30, topics[0].MaxSize)

		groups, err := a.Groups(ctx, stream, "jobs.tasks")
		require.NoError(t, err)
		require.Equal(t, []admin.GroupInfo{
			{Group: admin.Group{Stream: stream, Topic: "jobs.tasks", Name: "workers"}},
			{Group: admin.Group{Stream: stream, Topic: "jobs.tasks", Name: "workers.balance"}},
		}, groups)

		again, err := a.Provision(ctx, spec)
		require.NoError(t, err)
		require.Empty(t, again.Created())
		require.Empty(t, again.Different())
		require.Len(t, again.Steps, 10)
		require.Equal(t, 10, logs.Len())
		require.NotContains(t, again.String(), "+")
	})
}

func TestProvisionReportsDifferences(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		core, logs := observer.New(zap.WarnLevel)
		a, ctx := newAdmin(t, cfg, admin.WithLogger(zap.New(core))), newContext(t)
		stream := newStream(t, a)
		_, err := a.Provision(ctx, admin.Spec{
			{Stream: stream, Name: "a", Settings: topic.Settings{Partitions: 2, Retention: day}},
			{Stream: stream, Name: "b", Settings: topic.Settings{Retention: topic.RetentionForever, MaxSize: 1 << 30}},
		})
		require.NoError(t, err)

		report, err := a.Provision(ctx, admin.Spec{
			{Stream: stream, Name: "a", Settings: topic.Settings{Partitions: 4, Retention: 7 * day, MaxSize: 1 << 30}, Groups: []string{"g"}},
			{Stream: stream, Name: "b", Settings: topic.Settings{Retention: time.Hour}},
			{Stream: stream, Name: "b"},
		}[:2])
		require.NoError(t, err)
		require.Equal(t, "= stream "+stream+"\n"+
			"! topic  "+stream+"/a: partitions is 2, not 4, retention is 1d, not 7d, max_size is unlimited, not 1GiB\n"+
			"+ group  "+stream+"/a group g\n"+
			"! topic  "+stream+"/b: retention is for ever, not 1h\n", report.String())
		require.Len(t, report.Different(), 2)
		require.Equal(t, 2, logs.Len())
		require.Equal(t, "4", logs.All()[0].ContextMap()["wanted_partitions"])

		var decoded admin.Report
		data, err := json.Marshal(report)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &decoded))
		require.Equal(t, report, decoded)

		// What is up to the server differs from nothing.
		report, err = a.Plan(ctx, admin.Spec{{Stream: stream, Name: "b"}})
		require.NoError(t, err)
		require.Empty(t, report.Different())
	})
}

// Several services start at the same time.
func TestProvisionConcurrently(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, cfg config.Iggy) {
		first := newAdmin(t, cfg)
		spec := specFor(newStream(t, first))
		const services = 6
		var (
			wg      sync.WaitGroup
			reports [services]admin.Report
			errs    [services]error
		)
		for i := range services {
			a := newAdmin(t, cfg)
			wg.Go(func() { reports[i], errs[i] = a.Provision(newContext(t), spec) })
		}
		wg.Wait()
		created := map[string]int{}
		for i := range services {
			require.NoError(t, errs[i])
			require.Empty(t, reports[i].Different())
			require.Len(t, reports[i].Steps, 10)
			for _, s := range reports[i].Created() {
				created[string(s.Kind)+s.Object]++
			}
		}
		require.Len(t, created, 10)
		for object, times := range created {
			require.Equal(t, 1, times, object)
		}
	})
}

func TestProvisionResumesAfterBrokenConnection(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a, ctx := newAdmin(t, settings(server.Address())), newContext(t)
	require.NoError(t, a.Ping(ctx))
	server.Inject(iggytest.Cut().On(embedded.CreateGroup).Skip(2).Times(1))
	report, err := a.Provision(ctx, specFor("s"))
	require.NoError(t, err)
	require.Len(t, report.Created(), 10, "what the first connection created counts, too")
}

func TestFailedProvisionReportsProgress(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a, ctx := newAdmin(t, settings(server.Address())), newContext(t)
	server.Inject(iggytest.Answer(embedded.Status(iggyerr.StatusUnauthorized)).On(embedded.CreateTopic).Skip(1))
	report, err := a.Provision(ctx, specFor("s"))
	var refused *iggyerr.StatusError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, iggyerr.StatusError{Op: "create topic", Object: "s/jobs.status", Status: iggyerr.StatusUnauthorized}, *refused)
	require.Len(t, report.Created(), 4)
}

// A service that may only read can start once everything exists.
func TestProvisionOfExistingObjectsWritesNothing(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	a, ctx := newAdmin(t, settings(server.Address())), newContext(t)
	_, err := a.Provision(ctx, specFor("s"))
	require.NoError(t, err)
	writes := server.Inject(iggytest.Observe().On(embedded.CreateStream, embedded.CreateTopic, embedded.CreateGroup))
	_, err = a.Provision(ctx, specFor("s"))
	require.NoError(t, err)
	require.Zero(t, writes.Count())
}

// The server shows a topic that is being created for a moment without its partitions.
func TestProvisionWaitsForPartitionsOfNewTopic(t *testing.T) {
	t.Parallel()
	server := iggytest.NewServer(t)
	cfg := settings(server.Address())
	a, ctx, other := newAdmin(t, cfg), newContext(t), dial(t, cfg)
	spec := admin.Spec{{Stream: "s", Name: "t", Settings: topic.Settings{Partitions: 4}}}
	callSDK(t, other, func(c *tcp.IggyTcpClient) error { _, err := c.CreateStream("s"); return err })
	callSDK(t, other, func(c *tcp.IggyTcpClient) error {
		_, err := c.CreateTopic(identifier("s"), "t", 0, iggcon.CompressionAlgorithmNone, 0, 0, nil)
		return err
	})
	report, err := a.Plan(ctx, spec)
	require.NoError(t, err)
	require.Equal(t, "= stream s\n! topic  s/t: partitions is 0, not 4\n", report.String())

	server.Inject(iggytest.Do(func(iggytest.Request) {
		callSDK(t, other, func(c *tcp.IggyTcpClient) error { return c.CreatePartitions(identifier("s"), identifier("t"), 4) })
	}).On(embedded.GetTopic).Skip(1).Times(1))
	report, err = a.Plan(ctx, spec)
	require.NoError(t, err)
	require.Equal(t, "= stream s\n= topic  s/t\n", report.String())

	// Its context ends the wait.
	callSDK(t, other, func(c *tcp.IggyTcpClient) error { return c.DeletePartitions(identifier("s"), identifier("t"), 4) })
	ended, cancel := context.WithCancel(ctx)
	server.Inject(iggytest.Do(func(iggytest.Request) { cancel() }).On(embedded.GetTopic).AfterEffect().Skip(1).Times(1))
	_, err = a.Plan(ended, spec)
	require.ErrorIs(t, err, context.Canceled)
}
