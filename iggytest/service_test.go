package iggytest_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

// Service is the application that the tests of this file test. It handles download tasks and
// publishes their status. docs/testing.md shows this code.
var Service = fx.Options(
	fxiggy.Module,
	fx.NopLogger,
	fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask], publisher *jobs.Publisher) error {
		return tasks.Handle(func(ctx context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
			_, err := publisher.PublishJobStatus(ctx, &jobspb.JobStatus{
				JobId: m.Value.GetJobId(), State: jobspb.JobState_JOB_STATE_COMPLETED,
			})
			return err
		})
	}),
)

var task = &jobspb.DownloadTask{JobId: "job-1", ResourceId: "logo", Url: "https://example.com/logo.png"}

func at(srv *iggytest.Server) fx.Option {
	return fxiggy.ConfigOptions(config.WithYAML("test.yaml", srv.YAML()), config.WithEnviron(nil))
}

func TestService(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	var publisher *jobs.Publisher
	app := fxtest.New(t, Service, at(srv), fx.Populate(&publisher))
	defer app.RequireStart().RequireStop()

	_, err := publisher.PublishDownloadTask(t.Context(), task)
	require.NoError(t, err)
	states := srv.WaitMessages("fetchbox", "jobs.status", 1)
	require.Contains(t, string(states[0].Payload), "job-1")
}

func TestServiceFollowsTheLeader(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"native", "sdk"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			cluster := iggytest.NewCluster(t, 2)
			follower := cluster.Node(1)
			var publisher *jobs.Publisher
			app := fxtest.New(t, Service, at(follower), fx.Populate(&publisher),
				fxiggy.ConfigOptions(config.WithEnviron([]string{"FETCHBOX__IGGY__TRANSPORT=" + transport})))
			defer app.RequireStart().RequireStop()

			_, err := publisher.PublishDownloadTask(t.Context(), task)
			require.NoError(t, err)
			states := cluster.Node(0).WaitMessages("fetchbox", "jobs.status", 1)
			require.Contains(t, string(states[0].Payload), "job-1")
			require.Empty(t, follower.Messages("fetchbox", "jobs.tasks"))

			// The other node leads. It has no topics yet, since nothing is replicated.
			cluster.SetLeader(1)
			cluster.Node(0).CutConnections()
			_, err = publisher.PublishDownloadTask(t.Context(), task)
			require.NoError(t, err)
			cluster.Node(1).WaitMessages("fetchbox", "jobs.status", 1)
		})
	}
}

func TestLostAnswerOfService(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	var publisher *jobs.Publisher
	app := fxtest.New(t, Service, at(srv), fx.Populate(&publisher))
	defer app.RequireStart().RequireStop()

	// The task is stored, but the answer is lost: the service sends it again with the same id.
	lost := srv.Inject(iggytest.Cut().AfterEffect().On(embedded.SendMessages).Times(1))
	_, err := publisher.PublishDownloadTask(t.Context(), task)
	require.NoError(t, err)
	lost.Wait(1)
	stored := srv.WaitMessages("fetchbox", "jobs.tasks", 2)
	require.Equal(t, stored[0].ID, stored[1].ID)
}

func TestCrashUnderService(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t, embedded.WithDirectory(t.TempDir()))
	var publisher *jobs.Publisher
	app := fxtest.New(t, Service, at(srv), fx.Populate(&publisher))
	defer app.RequireStart().RequireStop()

	srv.Crash()
	published := make(chan error, 1)
	go func() {
		_, err := publisher.PublishDownloadTask(context.Background(), task)
		published <- err
	}()
	srv.Start()
	require.NoError(t, <-published)
	srv.WaitMessages("fetchbox", "jobs.status", 1)
}

func TestLostGroupUnderService(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	var publisher *jobs.Publisher
	app := fxtest.New(t, Service, at(srv), fx.Populate(&publisher))
	defer app.RequireStart().RequireStop()

	// The service is no longer a member of the group when it is about to commit.
	lost := srv.Inject(iggytest.Do(func(iggytest.Request) {
		_ = srv.RemoveMembers("fetchbox", "jobs.tasks", "workers")
	}).On(embedded.StoreOffset).Times(1))
	_, err := publisher.PublishDownloadTask(t.Context(), task)
	require.NoError(t, err)
	lost.Wait(1)
	partition := srv.WaitMessages("fetchbox", "jobs.tasks", 1)[0].Partition
	srv.WaitCommitted("fetchbox", "jobs.tasks", "workers", partition, 0) // it has joined again
}

func TestSlowNetworkToRealServer(t *testing.T) {
	t.Parallel()
	endpoint := os.Getenv("IGGY_TEST_ENDPOINT") // iggy://user:password@host:port
	if endpoint == "" {
		t.Skip("IGGY_TEST_ENDPOINT names no real server")
	}
	_, address, _ := strings.Cut(endpoint, "@")
	proxy := iggytest.NewProxy(t, address)
	proxy.Inject(iggytest.Delay(50 * time.Millisecond).AfterEffect())
	proxy.Inject(iggytest.Reset().On(embedded.PollMessages).Chance(0.1, 42))
	conn := dial(t, proxy.Address())
	require.Equal(t, embedded.StatusOK, conn.status(t, embedded.Ping, nil))
}

func TestYAMLWithTLS(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewTLSServer(t)
	app := fxtest.New(t, Service, at(srv))
	app.RequireStart().RequireStop()
}
