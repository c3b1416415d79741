package fxiggy_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

func gone(t *testing.T, srv *iggytest.Server) {
	t.Helper()
	srv.WaitFor("the connections to end", func() bool { return srv.Connections() == 0 })
}

// The order of promise 8: no new polls, work in flight finishes, acknowledged offsets are
// committed, the group is left, the producer is flushed, connections close.
func TestStopFinishesTheWorkInFlight(t *testing.T) {
	t.Parallel()
	srv := server(t)
	entered, release := make(chan string, 10), make(chan struct{})
	var pub *jobs.Publisher
	app := fx.New(quiet, fxiggy.Module, configured(yaml(srv)), fx.Populate(&pub),
		fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask], pub *jobs.Publisher) error {
			return tasks.Handle(func(ctx context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
				entered <- m.Value.GetResourceId()
				<-release
				// The producer still works while consumers finish.
				return errOf(pub.PublishJobStatus(ctx, &jobspb.JobStatus{JobId: m.Value.GetJobId(), State: jobspb.JobState_JOB_STATE_COMPLETED}))
			})
		}))
	require.NoError(t, app.Start(t.Context()))
	// Of one key, so that the second waits for the first.
	require.NoError(t, pub.PublishDownloadTasks(t.Context(), []*jobspb.DownloadTask{task("a"), task("b")}))
	require.Equal(t, "a", receive(t, entered))

	stopped := make(chan error)
	go func() { stopped <- stop(app) }()
	left := srv.Inject(iggytest.Observe().On(embedded.LeaveGroup))
	close(release)
	require.NoError(t, receive(t, stopped))
	require.Positive(t, left.Count(), "the group was left")
	gone(t, srv)
	require.NotEmpty(t, srv.Messages("fetchbox", "jobs.status"), "what the handler published at the end was stored")

	var stored []uint64
	for partition := range uint32(2) {
		if offset, ok := srv.Committed("fetchbox", "jobs.tasks", "workers", partition); ok {
			stored = append(stored, offset)
		}
	}
	require.Len(t, stored, 1, "what was done is committed")
	require.Equal(t, uint64(len(srv.Messages("fetchbox", "jobs.status"))-1), stored[0], "no more and no less")
}

// A handler that ignores the stop delays its consumer only: the producer is flushed and the stop
// returns within Fx's limit.
func TestAHandlerThatDoesNotEndLeavesTimeForTheOthers(t *testing.T) {
	t.Parallel()
	srv := server(t)
	entered := make(chan struct{})
	var pub *jobs.Publisher
	var order []string
	app := fx.New(quiet, fxiggy.Module, configured(yaml(srv)), fx.Populate(&pub),
		fx.Invoke(func(lc fx.Lifecycle) {
			lc.Append(fx.Hook{OnStop: func(context.Context) error {
				order = append(order, "the application's first component")
				return nil
			}})
		}),
		fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
			return tasks.Handle(func(ctx context.Context, _ *consumer.Message[*jobspb.DownloadTask]) error {
				close(entered)
				<-ctx.Done()
				return context.Cause(ctx)
			})
		}))
	require.NoError(t, app.Start(t.Context()))
	require.NoError(t, errOf(pub.PublishDownloadTask(t.Context(), task("a"))))
	receive(t, entered)

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err := app.Stop(ctx)
	var unfinished *consumer.StopError
	require.ErrorAs(t, err, &unfinished)
	require.Equal(t, 1, unfinished.Unfinished)
	require.Zero(t, unfinished.Uncommitted)
	require.NoError(t, ctx.Err(), "within the limit, after %s", time.Since(began))
	require.Equal(t, []string{"the application's first component"}, order, "the hooks behind ours have run")
	gone(t, srv)
	for partition := range uint32(2) {
		_, ok := srv.Committed("fetchbox", "jobs.tasks", "workers", partition)
		require.False(t, ok, "what was not done is not committed")
	}
}

// Each consumer needs most of the time limit, so they only make it at the same time.
func TestConsumersStopAtTheSameTime(t *testing.T) {
	t.Parallel()
	srv := server(t)
	both := make(chan string, 2)
	ends := make(chan string, 2)
	var pub *jobs.Publisher
	wait := func(name string, until <-chan struct{}) {
		both <- name
		<-until
		ends <- name
	}
	tasksEnd, statusEnd := make(chan struct{}), make(chan struct{})
	app := fx.New(quiet, fxiggy.Module, configured(yaml(srv)), fx.Populate(&pub),
		fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask], status *consumer.Consumer[*jobspb.JobStatus]) error {
			return errors.Join(
				tasks.Handle(func(context.Context, *consumer.Message[*jobspb.DownloadTask]) error {
					wait("tasks", tasksEnd)
					return nil
				}),
				status.Handle(func(context.Context, *consumer.Message[*jobspb.JobStatus]) error {
					wait("status", statusEnd)
					return nil
				}))
		}))
	require.NoError(t, app.Start(t.Context()))
	require.NoError(t, errOf(pub.PublishDownloadTask(t.Context(), task("a"))))
	require.NoError(t, errOf(pub.PublishJobStatus(t.Context(), &jobspb.JobStatus{JobId: "j", State: jobspb.JobState_JOB_STATE_QUEUED})))
	receive(t, both)
	receive(t, both)

	stopped := make(chan error)
	left := srv.Inject(iggytest.Observe().On(embedded.LeaveGroup))
	go func() { stopped <- stop(app) }()
	// status was built last, so its hook comes first; tasks is finished before it.
	close(tasksEnd)
	require.Equal(t, "tasks", receive(t, ends))
	left.Wait(1)
	close(statusEnd)
	require.NoError(t, receive(t, stopped))
}

func TestAStartThatFailsHalfWayReleasesEverything(t *testing.T) {
	t.Parallel()
	srv := server(t)
	broken := errors.New("disk full")
	app := fx.New(quiet, fxiggy.Module, configured(yaml(srv)),
		fx.Invoke(func(got everything, lc fx.Lifecycle) error {
			lc.Append(fx.Hook{OnStart: func(context.Context) error { return broken }})
			return got.Tasks.Handle(func(context.Context, *consumer.Message[*jobspb.DownloadTask]) error { return nil })
		}))
	require.NoError(t, app.Err())
	require.ErrorIs(t, app.Start(t.Context()), broken)
	gone(t, srv)
}

func TestAConsumerThatCannotStartStopsTheRest(t *testing.T) {
	t.Parallel()
	srv := server(t)
	proxy := iggytest.NewProxy(t, srv.Address())
	// The provisioning and the producer get through; the consumer's connection does not.
	refused := proxy.Inject(iggytest.Refuse().When(func(r iggytest.Request) bool { return r.Conn > 2 }))
	app := fx.New(quiet, fxiggy.Module, configured(yaml(proxy)),
		fx.Decorate(func(t jobs.Topics) jobs.Topics { return t }),
		fx.Invoke(func(*jobs.Publisher, *consumer.Consumer[*jobspb.DownloadTask]) {}))
	require.NoError(t, app.Err())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err := app.Start(ctx)
	require.ErrorIs(t, err, iggyerr.ErrNotConnected)
	require.NoError(t, ctx.Err(), "the hook left time for the others' release")
	require.Positive(t, refused.Count())
	gone(t, srv)
}

func TestNoServerIsOneClearErrorInTime(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	for _, provision := range []string{"true", "false"} {
		app := fx.New(quiet, fxiggy.Module, configured("iggy: {endpoint: 'iggy://"+address+"', client_id: iggy, client_secret: s3cret, start_timeout: 200ms}\ntopics: {provision: "+provision+"}"),
			fx.Invoke(func(*jobs.Publisher) {}))
		require.NoError(t, app.Err())
		err := app.Start(t.Context())
		require.Error(t, err)
		require.ErrorContains(t, err, address)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

func TestAWrongPasswordIsOneClearError(t *testing.T) {
	t.Parallel()
	srv := server(t)
	for _, provision := range []string{"true", "false"} {
		core, logs := observer.New(zapcore.WarnLevel)
		app := fx.New(quiet, fxiggy.Module, configured("iggy: {endpoint: 'iggy://"+srv.Address()+"', client_id: iggy, client_secret: wr0ng}\ntopics: {provision: "+provision+"}"),
			fx.Supply(zap.New(core)), fx.Invoke(func(*jobs.Publisher) {}))
		require.NoError(t, app.Err())
		err := app.Start(t.Context())
		require.ErrorIs(t, err, iggyerr.ErrCredentials, "provision %s", provision)
		require.NotContains(t, err.Error(), "wr0ng")
		for _, entry := range logs.All() {
			require.NotContains(t, entry.Message, "retrying")
		}
	}
	gone(t, srv)
}
