package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/examples/fxapp/internal/app"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

var metricName = regexp.MustCompile(`\b(?:fetchbox|iggy_client|go|process)_[a-z0-9_]+`)

// ownMetric matches the names of the library's and the example's metrics.
var ownMetric = regexp.MustCompile(`^(?:fetchbox|iggy_client)_`)

// Dashboards and alerts use metrics that exist. The page about metrics lists these and no others.
func TestDashboardsAndDocsUseExistingMetrics(t *testing.T) {
	t.Parallel()
	srv, remote := iggytest.NewServer(t), startFileServer(t)
	box, _ := run(t, app.Options{Data: t.TempDir(), Environ: append(environment(srv), "FETCHBOX__IGGY__HEARTBEAT_INTERVAL=50ms")})
	// One lost request causes a retry, and one resource fails.
	srv.Inject(iggytest.Cut().On(embedded.SendMessages).Times(1))
	box.waitFinished(t, box.submit(t, remote.manifest(5, 1)))
	var series, families map[string]bool
	require.Eventually(t, func() bool {
		series, families = map[string]bool{}, map[string]bool{}
		for line := range strings.Lines(box.scrape(t)) {
			words := strings.FieldsFunc(line, func(r rune) bool { return r == '{' || r == ' ' })
			if !strings.HasPrefix(line, "#") {
				series[words[0]] = true
			} else if words[1] == "TYPE" && ownMetric.MatchString(words[2]) {
				families[words[2]] = true
			}
		}
		return families["iggy_client_link_heartbeat_duration_seconds"]
	}, waitTimeout, 10*time.Millisecond)

	for _, expression := range append(dashboardExpressions(t), alertExpressions(t)...) {
		names := metricName.FindAllString(expression, -1)
		require.NotEmpty(t, names, expression)
		for _, name := range names {
			require.True(t, series[name], "there is no metric %s, which is used in %s", name, expression)
		}
	}

	page, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	listed := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if ownMetric.MatchString(strings.TrimPrefix(line, "| `")) {
			for _, name := range metricName.FindAllString(strings.Split(line, "|")[1], -1) {
				listed[name] = true
			}
		}
	}
	require.Equal(t, families, listed)
}

// dashboardExpressions returns the expressions of the dashboard.
func dashboardExpressions(t *testing.T) (expressions []string) {
	t.Helper()
	b, err := os.ReadFile("../../dashboards/grafana.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Type    string
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Query any }
		}
	}
	require.NoError(t, json.Unmarshal(b, &dashboard))
	for _, panel := range dashboard.Panels {
		require.True(t, panel.Type == "row" || len(panel.Targets) > 0, panel.Title)
		for _, target := range panel.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	require.Greater(t, len(expressions), 20)
	return expressions
}

// alertExpressions returns the expressions of the alert rules. Each rule must have a summary and a
// description.
func alertExpressions(t *testing.T) (expressions []string) {
	t.Helper()
	b, err := os.ReadFile("../../dashboards/alerts.yaml")
	require.NoError(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations struct{ Summary, Description string }
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(b, &rules))
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			require.NotEmpty(t, rule.Annotations.Summary, rule.Alert)
			require.NotEmpty(t, rule.Annotations.Description, rule.Alert)
			expressions = append(expressions, rule.Expr)
		}
	}
	require.Greater(t, len(expressions), 10)
	return expressions
}
