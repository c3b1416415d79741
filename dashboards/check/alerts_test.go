package check_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const rulesFile = "../alerts.yaml"

// ruleTests is a file of tests in the format of promtool.
type ruleTests struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	Tests              []ruleTest
}

// ruleTest states what follows from series of samples.
type ruleTest struct {
	Name        string
	Interval    model.Duration // between samples
	InputSeries []struct {
		Series, Values string
	} `yaml:"input_series"`
	Alerts      []alertCase      `yaml:"alert_rule_test"`
	Expressions []expressionCase `yaml:"promql_expr_test"`
}

// alertCase lists the firing alerts of one rule at a time.
type alertCase struct {
	EvalTime  model.Duration `yaml:"eval_time"`
	Alertname string
	Expected  []struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	} `yaml:"exp_alerts"`
}

// expressionCase lists the samples of an expression at a time.
type expressionCase struct {
	Expr     string
	EvalTime model.Duration `yaml:"eval_time"`
	Expected []struct {
		Labels string
		Value  float64
	} `yaml:"exp_samples"`
}

// Prometheus evaluates the rules over the series of alerts_test.yaml and finds the alerts that the
// file expects.
func TestAlerts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../alerts_test.yaml")
	require.NoError(t, err)
	var file ruleTests
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&file))
	require.Equal(t, []string{"alerts.yaml"}, file.RuleFiles)
	require.NotEmpty(t, file.Tests)
	for _, test := range file.Tests {
		t.Run(test.Name, func(t *testing.T) {
			t.Parallel()
			require.NotZero(t, len(test.Alerts)+len(test.Expressions), "the test expects nothing")
			test.run(t, time.Duration(file.EvaluationInterval))
		})
	}
}

func (test ruleTest) run(t *testing.T, every time.Duration) {
	load := fmt.Sprintf("load %s\n", time.Duration(test.Interval))
	for _, s := range test.InputSeries {
		load += fmt.Sprintf("  %s %s\n", s.Series, s.Values)
	}
	loader, err := promqltest.NewLazyLoader(load, promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, loader.Close()) })
	query := rules.EngineQueryFunc(loader.QueryEngine(), loader.Storage())
	groups := loadRules(t, &rules.ManagerOptions{
		Context: t.Context(), QueryFunc: query, Appendable: loader.Storage(), Logger: promslog.NewNopLogger(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Parser: parser.NewParser(parser.Options{}),
	})

	var times []time.Duration
	for _, c := range test.Alerts {
		times = append(times, time.Duration(c.EvalTime))
	}
	for _, c := range test.Expressions {
		times = append(times, time.Duration(c.EvalTime))
	}
	for _, at := range times {
		require.Zero(t, at%every, "%s: the rules are evaluated every %s", at, every)
	}
	start, last := time.Unix(0, 0).UTC(), slices.Max(times)
	for after := time.Duration(0); after <= last; after += every {
		loader.WithSamplesTill(start.Add(after), func(err error) { require.NoError(t, err) })
		evaluate(t, groups, start.Add(after))
		for _, c := range test.Alerts {
			if time.Duration(c.EvalTime) == after {
				c.check(t, groups)
			}
		}
		for _, c := range test.Expressions {
			if time.Duration(c.EvalTime) == after {
				c.check(t, query, start.Add(after))
			}
		}
	}
}

// loadRules returns the groups of the rules. Alerts need no restored state.
func loadRules(t *testing.T, options *rules.ManagerOptions) map[string]*rules.Group {
	t.Helper()
	groups, errs := rules.NewManager(options).LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, rulesFile)
	require.Empty(t, errs)
	require.NotEmpty(t, groups)
	for _, group := range groups {
		for _, rule := range group.AlertingRules() {
			rule.SetRestored(true)
		}
	}
	return groups
}

func evaluate(t *testing.T, groups map[string]*rules.Group, at time.Time) {
	t.Helper()
	for _, group := range groups {
		group.Eval(t.Context(), at)
		for _, rule := range group.Rules() {
			require.NoError(t, rule.LastError(), rule.Name())
		}
	}
}

// alert is what a firing alert tells.
type alert struct{ labels, annotations map[string]string }

func (c alertCase) check(t *testing.T, groups map[string]*rules.Group) {
	t.Helper()
	var firing, expected []alert
	found := false
	for _, group := range groups {
		for _, rule := range group.AlertingRules() {
			if rule.Name() != c.Alertname {
				continue
			}
			found = true
			for _, a := range rule.ActiveAlerts() {
				if a.State == rules.StateFiring {
					firing = append(firing, alert{a.Labels.Map(), a.Annotations.Map()})
				}
			}
		}
	}
	require.True(t, found, "there is no rule %s", c.Alertname)
	for _, e := range c.Expected {
		e.Labels[labels.AlertName] = c.Alertname
		expected = append(expected, alert{e.Labels, e.Annotations})
	}
	require.ElementsMatch(t, expected, firing, "%s at %s", c.Alertname, c.EvalTime)
}

func (c expressionCase) check(t *testing.T, query rules.QueryFunc, at time.Time) {
	t.Helper()
	type sample struct {
		labels string
		value  float64
	}
	vector, err := query(t.Context(), c.Expr, at)
	require.NoError(t, err, c.Expr)
	var got, expected []sample
	for _, s := range vector {
		got = append(got, sample{s.Metric.String(), s.F})
	}
	for _, e := range c.Expected {
		l := labels.EmptyLabels()
		if e.Labels != "" {
			l, err = parser.NewParser(parser.Options{}).ParseMetric(e.Labels)
			require.NoError(t, err, e.Labels)
		}
		expected = append(expected, sample{l.String(), e.Value})
	}
	require.ElementsMatch(t, expected, got, "%s at %s", c.Expr, c.EvalTime)
}
