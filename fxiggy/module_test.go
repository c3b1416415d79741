package fxiggy_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
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
	require.ErrorIs(t, got.Jobs.PublishDownloadTask(t.Context(), task("a")), iggyerr.ErrClosed)
}

func TestATaskGoesThrough(t *testing.T) {
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
	require.NoError(t, pub.PublishDownloadTask(t.Context(), task("a")))
	require.Equal(t, "a", receive(t, handled).GetResourceId())
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
	err := pub.PublishDownloadTask(t.Context(), task("a"))
	require.ErrorIs(t, err, iggyerr.ErrNotFound)
	require.ErrorContains(t, err, "fetchbox/jobs.tasks")
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
	require.NoError(t, pub.PublishDownloadTask(t.Context(), task("a")))
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
	require.NoError(t, pub.PublishDownloadTask(t.Context(), task("a")))
	letter := receive(t, letters)
	require.Equal(t, "a", letter.GetTask().GetResourceId())
	require.Equal(t, "no use", letter.GetFailureMessage())
}

// sink is an application's own dead letters.
type sink chan topic.Failure[*jobspb.DownloadTask]

func (s sink) DeadLetter(_ context.Context, f topic.Failure[*jobspb.DownloadTask]) error {
	s <- f
	return nil
}

func TestAnApplicationsDeadLettersGoFirst(t *testing.T) {
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
	require.NoError(t, pub.PublishDownloadTask(t.Context(), task("a")))
	require.Equal(t, "a", receive(t, own).Value.GetResourceId())
}

func TestHealth(t *testing.T) {
	t.Parallel()
	srv := server(t)
	var handler *health.Handler
	app := start(t, configured(yaml(srv)), fx.Populate(&handler), fx.Invoke(func(everything) {}))
	ready := func() (int, health.Report) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, health.ReadyPath, http.NoBody))
		var report health.Report
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &report))
		return w.Code, report
	}
	code, report := ready()
	require.Equal(t, http.StatusOK, code, "%v", report)
	require.Equal(t, []string{"consumer.dlq", "consumer.logs", "consumer.status", "consumer.tasks", "producer"}, names(report))
	require.JSONEq(t, `{"topic":"fetchbox/jobs.tasks","group":"workers","consuming":false,"joined":false,"partitions":[],"in_flight":0,"lag":0}`,
		string(report.Components["consumer.tasks"].Detail))
	require.NoError(t, stop(app))
	code, report = ready()
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.True(t, report.Draining)
}

// While the server is away, readiness falls at once, with the cause and the state of each connection, and
// liveness does not; when it is back, so is readiness.
func TestHealthWithoutAServer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		breakIt func(*iggytest.Server)
		mend    func(*iggytest.Server)
		state   string
		text    string
	}{
		"gone": {(*iggytest.Server).Crash, (*iggytest.Server).Start, "connecting", "not connected"},
		"hangs": {func(s *iggytest.Server) {
			s.Inject(iggytest.Delay(within).On(embedded.GetTopic).Times(1))
		}, func(*iggytest.Server) {}, "ready", "iggy: producer-0: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := server(t)
			var handler *health.Handler
			start(t, configured(yaml(srv)+"health: {timeout: 300ms, interval: 0s}\n"), fx.Populate(&handler), fx.Invoke(func(*jobs.Publisher) {}),
				fxiggy.ConfigOptions(config.WithOverride(func(c *config.Config, _ config.Sources) error {
					c.Iggy.HeartbeatInterval, c.Iggy.RequestTimeout = 200*time.Millisecond, time.Second
					return nil
				})))
			probe := func(path string) (int, health.Report) {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
				var report health.Report
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &report))
				return w.Code, report
			}
			code, _ := probe(health.ReadyPath)
			require.Equal(t, http.StatusOK, code)
			tt.breakIt(srv)
			srv.WaitFor("the fall of readiness", func() bool {
				code, report := probe(health.ReadyPath)
				if code == http.StatusOK {
					return false
				}
				component := report.Components["producer"]
				var detail struct{ Connections []struct{ State string } }
				require.NoError(t, json.Unmarshal(component.Detail, &detail), "%s", component.LastError)
				require.Len(t, detail.Connections, 1)
				return detail.Connections[0].State == tt.state && strings.Contains(component.LastError, tt.text)
			})
			code, _ = probe(health.LivePath)
			require.Equal(t, http.StatusOK, code)
			tt.mend(srv)
			srv.WaitFor("readiness", func() bool {
				code, _ := probe(health.ReadyPath)
				return code == http.StatusOK
			})
		})
	}
}

// TestHealthSaysWhyThereIsNoServer holds that the producer's check ends before its
// time is up, with the cause and the details.
func TestHealthSaysWhyThereIsNoServer(t *testing.T) {
	t.Parallel()
	srv := server(t)
	var registry *health.Registry
	start(t, configured(yaml(srv)+"\nhealth: {timeout: 400ms, interval: 10ms}\n"), fx.Populate(&registry), fx.Invoke(func(*jobs.Publisher) {}))
	srv.StopListening()
	srv.CutConnections()
	var producer health.Component
	require.Eventually(t, func() bool {
		producer = registry.Check(t.Context()).Components["producer"]
		return producer.Status == health.Down && strings.Contains(producer.LastError, "connection refused")
	}, 30*time.Second, 10*time.Millisecond)
	require.Contains(t, producer.LastError, "not connected to "+srv.Endpoint())
	require.NotContains(t, producer.LastError, "\n")
	require.Contains(t, string(producer.Detail), `"connections"`)
}

func TestFaultsOfTheConfigurationAreOneClearError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []fx.Option
		want []string
	}{
		{"unknown key", []fx.Option{configured("iggy: {endpont: x}")}, []string{"test.yaml:1", "iggy.endpont"}},
		{"several faults", []fx.Option{configured("iggy: {endpoint: 'http://x'}\nproducer: {connections: 0}")}, []string{"iggy.endpoint", "producer.connections"}},
		{"missing file", []fx.Option{fxiggy.ConfigFile("/no/such/file.yaml"), fxiggy.ConfigOptions(config.WithEnviron(nil))}, []string{"/no/such/file.yaml"}},
		{"missing secret file", []fx.Option{configured("iggy: {client_id: a, client_secret_file: /no/such/secret}")}, []string{"client_secret_file", "/no/such/secret"}},
		{"a consumer twice", []fx.Option{configured(""), fxiggy.Consume(Orders, "tasks")}, []string{`"tasks"`}},
		{"an unknown cluster", []fx.Option{configured(""), fxiggy.Consume(Orders, "orders", fxiggy.On("mars"))}, []string{`"orders"`, `"mars"`}},
		{"a cluster of the unnamed one's name", []fx.Option{configured(""), fxiggy.Named("default")}, []string{`"default"`}},
		{"Config and a file", []fx.Option{fxiggy.Config(config.Default()), fxiggy.ConfigFile("a.yaml")}, []string{"ConfigFile"}},
		{"Config twice", []fx.Option{fxiggy.Config(config.Default()), fxiggy.Config(config.Default())}, []string{"twice"}},
		{"a bad Config", []fx.Option{fxiggy.Config(config.Config{})}, []string{"iggy.endpoint", "producer.connections"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := fx.New(append(tt.opts, quiet, fxiggy.Module, fx.Invoke(func(*jobs.Publisher) {}))...).Err()
			require.Error(t, err)
			for _, part := range tt.want {
				require.ErrorContains(t, err, part)
			}
			root := dig.RootCause(err).Error()
			require.Contains(t, root, tt.want[0], "the root cause says it without Fx's frames")
			require.False(t, strings.Contains(root, "could not build"), root)
		})
	}
}

func TestTheModuleTwiceIsRefused(t *testing.T) {
	t.Parallel()
	require.Error(t, fx.New(quiet, fxiggy.Module, fxiggy.Module, fx.Invoke(func(*jobs.Publisher) {})).Err())
	err := fx.New(quiet, fxiggy.Module, fxiggy.Named("eu"), fxiggy.Named("eu"), configured(""), fx.Invoke(func(config.Config) {})).Err()
	require.ErrorContains(t, err, "eu")
}

func TestConfigTakesWhatIsLoaded(t *testing.T) {
	t.Parallel()
	srv := server(t)
	cfg, err := config.Load(config.WithYAML("test.yaml", []byte(yaml(srv))), config.WithEnviron(nil))
	require.NoError(t, err)
	var got config.Config
	start(t, fxiggy.Config(cfg), fxiggy.Consume(Orders, "orders"), fx.Populate(&got), fx.Invoke(func(*consumer.Consumer[Order]) {}))
	require.Equal(t, srv.Endpoint(), got.Iggy.Address())
	require.Equal(t, config.DefaultConsumer("orders"), got.Consumers["orders"], "declared, and not in the configuration")
	require.NotContains(t, cfg.Consumers, "orders", "the caller's configuration stays as it is")
}
