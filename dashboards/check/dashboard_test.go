package check_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

// Prometheus understands the expressions of the dashboard.
func TestDashboardExpressions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../grafana.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	expressions := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			// Grafana fills its variables in before it sends a query.
			expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")
			_, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
			require.NoError(t, err, "%s: %s", panel.Title, target.Expr)
			expressions++
		}
	}
	require.Positive(t, expressions)
}
