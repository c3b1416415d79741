package fxiggy_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// everything asks for all that Module provides.
type everything struct {
	fx.In
	Config      config.Config
	Producer    *producer.Producer
	Topics      jobs.Topics
	Jobs        *jobs.Publisher
	Tasks       *consumer.Consumer[*jobspb.DownloadTask]
	Status      *consumer.Consumer[*jobspb.JobStatus]
	Logs        *consumer.Consumer[*jobspb.JobLog]
	DeadLetters *consumer.Consumer[*jobspb.DeadLetterTask]
	Admin       *admin.Admin
	Registry    *health.Registry
	Handler     *health.Handler
	Background  *fxiggy.Background
}

// everythingEU asks for all that Named provides.
type everythingEU struct {
	fx.In
	Producer    *producer.Producer                         `name:"eu"`
	Topics      jobs.Topics                                `name:"eu"`
	Jobs        *jobs.Publisher                            `name:"eu"`
	Tasks       *consumer.Consumer[*jobspb.DownloadTask]   `name:"eu"`
	Status      *consumer.Consumer[*jobspb.JobStatus]      `name:"eu"`
	Logs        *consumer.Consumer[*jobspb.JobLog]         `name:"eu"`
	DeadLetters *consumer.Consumer[*jobspb.DeadLetterTask] `name:"eu"`
	Admin       *admin.Admin                               `name:"eu"`
}

func TestTheGraphIsComplete(t *testing.T) {
	t.Parallel()
	require.NoError(t, fx.ValidateApp(
		fxiggy.Module, fxiggy.Named("eu"), fxiggy.ConfigFile("fetchbox.yaml"),
		fxiggy.Consume(Orders, "orders"), fxiggy.Publish(Orders),
		fx.Invoke(func(everything, everythingEU, *consumer.Consumer[Order], *producer.Publisher[Order]) {}),
	))
	require.Error(t, fx.ValidateApp(fxiggy.Module, fx.Invoke(func(everythingEU) {})), "nobody declared this cluster")
}

func TestEverythingStartsAndStops(t *testing.T) {
	t.Parallel()
	srv := server(t)
	var got everything
	app := fx.New(quiet, fxiggy.Module, configured(yaml(srv)), fx.Populate(&got))
	require.NoError(t, app.Err())
	require.Zero(t, srv.Connections(), "building connects to nothing")
	require.NoError(t, app.Start(t.Context()))
	require.NoError(t, stop(app))
	require.NoError(t, stop(app), "a second stop does nothing")
	require.ErrorIs(t, errOf(got.Jobs.PublishDownloadTask(t.Context(), task("a"))), iggyerr.ErrClosed)
}

func TestConsumersAreLazy(t *testing.T) {
	t.Parallel()
	srv := server(t)
	var registry *health.Registry
	start(t, configured(yaml(srv)), fx.Populate(&registry), fx.Invoke(func(*jobs.Publisher) {}))
	report := registry.Check(t.Context())
	require.Equal(t, health.Up, report.Status)
	require.Equal(t, []string{"producer"}, names(report), "a consumer that nobody asks for is not built")
}

func names(report health.Report) []string {
	var all []string
	for name := range report.Components {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func TestTopicsAreProvisioned(t *testing.T) {
	t.Parallel()
	srv := server(t)
	var a *admin.Admin
	start(t, configured(yaml(srv)), fxiggy.Consume(Orders, "orders"), fx.Populate(&a),
		fx.Invoke(func(*jobs.Publisher, *consumer.Consumer[Order]) {}))
	topics, err := a.Topics(t.Context(), "fetchbox")
	require.NoError(t, err)
	require.Len(t, topics, 4)
	_, partitions, err := a.Topic(t.Context(), "shop", "orders")
	require.NoError(t, err)
	require.Len(t, partitions, 3, "with the topic's own settings")
	groups, err := a.Groups(t.Context(), "shop", "orders")
	require.NoError(t, err)
	var found []string
	for _, g := range groups {
		found = append(found, g.Name)
	}
	require.Contains(t, found, "orders")
}

func TestNothingIsProvisionedWhenItIsOff(t *testing.T) {
	t.Parallel()
	srv := server(t)
	var pub *jobs.Publisher
	start(t, configured(yaml(srv)+"\n"), fxiggy.ConfigOptions(config.WithOverride(func(c *config.Config, _ config.Sources) error {
		c.Topics.Provision = false
		return nil
	})), fx.Populate(&pub))
	_, err := pub.PublishDownloadTask(t.Context(), task("a"))
	require.ErrorIs(t, err, iggyerr.ErrNotFound)
	require.ErrorContains(t, err, "fetchbox/jobs.tasks")
}

func (s sink) DeadLetter(_ context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	s <- f
	return nil
}

func TestTheModuleTwiceIsRefused(t *testing.T) {
	t.Parallel()
	require.Error(t, fx.New(quiet, fxiggy.Module, fxiggy.Module, fx.Invoke(func(*jobs.Publisher) {})).Err())
	err := fx.New(quiet, fxiggy.Module, fxiggy.Named("eu"), fxiggy.Named("eu"), configured(""), fx.Invoke(func(config.Config) {})).Err()
	require.ErrorContains(t, err, "eu")
}

func TestNilOptionsAndFunctionsAreErrors(t *testing.T) {
	t.Parallel()
	err := fx.New(quiet, fxiggy.Module, configured(offline), fxiggy.Consume(Orders, "orders", nil)).Err()
	require.ErrorContains(t, err, "fxiggy: consume shop/orders: iggy: option 1 of 1 is nil")
	err = fx.New(quiet, fxiggy.Module, configured(offline), fxiggy.Publish(Orders, fxiggy.As("a"), nil)).Err()
	require.ErrorContains(t, err, "fxiggy: publish shop/orders: iggy: option 2 of 2 is nil")
	err = fx.New(quiet, fxiggy.Module, configured(offline), fx.Invoke(func(bg *fxiggy.Background) error { return bg.Go("one", nil) })).Err()
	require.ErrorContains(t, err, "background one: no function given")
}
