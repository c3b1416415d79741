package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
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

// The targets of links exist: pages, files and sections.
func TestLinkTargetsExist(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading := regexp.MustCompile(`(?m)^#+ (.+)$`)
	for _, name := range []string{"getting-started.md", "guarantees.md", "metrics.md", "operations.md"} {
		for _, m := range link.FindAllStringSubmatch(page(t, name), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, section, _ := strings.Cut(m[1], "#")
			if file == "" {
				file = name
			}
			require.True(t, exists(filepath.FromSlash(file)), "%s links to %s", name, m[1])
			if section == "" {
				continue
			}
			var anchors []string
			for _, h := range heading.FindAllStringSubmatch(page(t, file), -1) {
				anchors = append(anchors, anchor(h[1]))
			}
			require.Contains(t, anchors, section, "%s links to %s", name, m[1])
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// anchor returns the anchor of a heading.
func anchor(heading string) string {
	heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(heading, " ", "-")
}
