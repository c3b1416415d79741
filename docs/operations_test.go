package docs_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// The page has one section for each alert, named after it.
func TestOperationsExplainEachAlert(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../dashboards/alerts.yaml")
	require.NoError(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &rules))
	var alerts []string
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, rule.Alert)
		}
	}
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^### (IggyClient\w+)$`).FindAllStringSubmatch(page(t, "operations.md"), -1) {
		sections = append(sections, m[1])
	}
	require.ElementsMatch(t, alerts, sections)

	tests, err := os.ReadFile("../dashboards/alerts_test.yaml")
	require.NoError(t, err)
	for _, alert := range alerts {
		require.Contains(t, string(tests), alert, "make alerts tests each alert")
	}
}

// The page states the defaults of the configuration.
func TestOperationsStateTheDefaults(t *testing.T) {
	t.Parallel()
	text := page(t, "operations.md")
	cluster := config.DefaultCluster()
	consumer := config.DefaultConsumer("g")
	for key, value := range map[string]string{
		"`consumers.*.drain_timeout`": consumer.DrainTimeout.String(),
		"`producer.drain_timeout`":    cluster.Producer.DrainTimeout.String(),
		"`rebalance_grace`":           consumer.RebalanceGrace.String(),
		"`rebalance_after`":           consumer.RebalanceAfter.String(),
	} {
		spaced := regexp.MustCompile(`([0-9])([a-z])`).ReplaceAllString(value, "$1 $2")
		require.Contains(t, text, key+" ("+spaced+")")
	}
}
