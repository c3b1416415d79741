package fxiggy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestPublishAndHandleATask(t *testing.T) {
	t.Parallel()
	srv := server(t)
	handled := make(chan *jobspb.DownloadTask)
	var pub *jobs.Publisher
	start(t, configured(yaml(srv)), fx.Populate(&pub),
		fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
			return tasks.Handle(func(_ context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
				handled <- m.Value
				return nil
			})
		}))
	require.NoError(t, errOf(pub.PublishDownloadTask(t.Context(), task("a"))))
	require.Equal(t, "a", receive(t, handled).GetResourceId())
}

func TestTopicsCanBeDecorated(t *testing.T) {
	t.Parallel()
	srv := server(t)
	keys := make(chan string)
	var pub *jobs.Publisher
	start(t, configured(yaml(srv)), fx.Populate(&pub),
		fx.Decorate(func(t jobs.Topics) jobs.Topics { return t.KeyTasksBy(jobs.ByResource) }),
		fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
			return tasks.Handle(func(_ context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
				keys <- m.Key()
				return nil
			})
		}))
	require.NoError(t, errOf(pub.PublishDownloadTask(t.Context(), task("a"))))
	require.Equal(t, "job-1/a", receive(t, keys), "of the consumer's topic, as of the publisher's")
}

func TestFailedTasksGoToTheDeadLetters(t *testing.T) {
	t.Parallel()
	srv := server(t)
	letters := make(chan *jobspb.DeadLetterTask)
	var pub *jobs.Publisher
	start(t, configured(yaml(srv)), fx.Populate(&pub),
		fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask], dlq *consumer.Consumer[*jobspb.DeadLetterTask]) error {
			return errors.Join(
				tasks.Handle(func(context.Context, *consumer.Message[*jobspb.DownloadTask]) error {
					return consumer.Permanent(errors.New("no use"))
				}),
				dlq.Handle(func(_ context.Context, m *consumer.Message[*jobspb.DeadLetterTask]) error {
					letters <- m.Value
					return nil
				}))
		}))
	require.NoError(t, errOf(pub.PublishDownloadTask(t.Context(), task("a"))))
	letter := receive(t, letters)
	require.Equal(t, "a", letter.GetTask().GetResourceId())
	require.Equal(t, "no use", letter.GetFailureMessage())
}

// sink is an application's own dead letters.
type sink chan topic.Failure[*jobspb.DownloadTask]

func TestDeadLettersOfTheApplicationReplaceThePublisher(t *testing.T) {
	t.Parallel()
	srv, own := server(t), make(sink)
	var pub *jobs.Publisher
	start(t, configured(yaml(srv)), fx.Populate(&pub),
		fx.Provide(func() consumer.DeadLetters[*jobspb.DownloadTask] { return own }),
		fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
			return tasks.Handle(func(context.Context, *consumer.Message[*jobspb.DownloadTask]) error {
				return consumer.Permanent(errors.New("no use"))
			})
		}))
	require.NoError(t, errOf(pub.PublishDownloadTask(t.Context(), task("a"))))
	require.Equal(t, "a", receive(t, own).Value.GetResourceId())
}
