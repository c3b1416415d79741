package fxiggy_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

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

// While the server is away, the service is alive and not ready, with the cause and the state of
// each connection in the report. When the server is back, the service is ready.
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

// The check of a producer ends before its time is up, with the cause and the details.
func TestHealthOfAProducerWithoutAServerHasCauseAndDetail(t *testing.T) {
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
