package check_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/health"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// manifests returns the objects in deploy/kubernetes.
type manifests struct {
	deployments map[string]*appsv1.Deployment
	budgets     map[string]*policyv1.PodDisruptionBudget
	scalers     []*autoscalingv2.HorizontalPodAutoscaler
	services    []*corev1.Service
	configs     map[string]*corev1.ConfigMap
	claims      map[string]*corev1.PersistentVolumeClaim
}

// load decodes every document into the type of its kind. An unknown field is an error.
func load(t *testing.T) manifests {
	t.Helper()
	m := manifests{
		deployments: map[string]*appsv1.Deployment{}, budgets: map[string]*policyv1.PodDisruptionBudget{},
		configs: map[string]*corev1.ConfigMap{}, claims: map[string]*corev1.PersistentVolumeClaim{},
	}
	files, err := filepath.Glob("../kubernetes/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			var head struct{ APIVersion, Kind string }
			require.NoError(t, yaml.Unmarshal(document, &head), file)
			decode := func(into any) {
				require.NoError(t, yaml.UnmarshalStrict(document, into), "%s, %s", file, head.Kind)
			}
			switch head.APIVersion + " " + head.Kind {
			case "apps/v1 Deployment":
				d := &appsv1.Deployment{}
				decode(d)
				m.deployments[d.Name] = d
			case "policy/v1 PodDisruptionBudget":
				b := &policyv1.PodDisruptionBudget{}
				decode(b)
				m.budgets[b.Name] = b
			case "autoscaling/v2 HorizontalPodAutoscaler":
				h := &autoscalingv2.HorizontalPodAutoscaler{}
				decode(h)
				m.scalers = append(m.scalers, h)
			case "v1 Service":
				s := &corev1.Service{}
				decode(s)
				m.services = append(m.services, s)
			case "v1 ConfigMap":
				c := &corev1.ConfigMap{}
				decode(c)
				m.configs[c.Name] = c
			case "v1 PersistentVolumeClaim":
				c := &corev1.PersistentVolumeClaim{}
				decode(c)
				m.claims[c.Name] = c
			default:
				require.Failf(t, "unknown kind", "%s: %s %s", file, head.APIVersion, head.Kind)
			}
		}
	}
	return m
}

// stopTimeout returns the application's stop timeout, from its source.
func stopTimeout(t *testing.T) time.Duration {
	t.Helper()
	source, err := os.ReadFile("../../examples/fxapp/internal/app/app.go")
	require.NoError(t, err)
	found := regexp.MustCompile(`stopTimeout\s*= (\d+) \* time\.Second`).FindSubmatch(source)
	require.NotNil(t, found, "the stop time-out of fxapp")
	d, err := time.ParseDuration(string(found[1]) + "s")
	require.NoError(t, err)
	return d
}

func TestRoles(t *testing.T) {
	t.Parallel()
	m := load(t)
	require.Len(t, m.deployments, 3)
	for _, role := range []string{"api", "worker", "ledger"} {
		d := m.deployments["fetchbox-"+role]
		require.NotNil(t, d, role)
		pod := d.Spec.Template
		require.Equal(t, d.Spec.Selector.MatchLabels, pod.Labels, role)
		require.Equal(t, role, pod.Labels["app.kubernetes.io/component"])
		require.Len(t, pod.Spec.Containers, 1)
		c := pod.Spec.Containers[0]
		require.NotEmpty(t, c.Image)
		require.Contains(t, c.Args, "-role="+role)
		require.True(t, *pod.Spec.SecurityContext.RunAsNonRoot)
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
		require.NotZero(t, c.Resources.Requests.Cpu().MilliValue())
		require.NotZero(t, c.Resources.Limits.Memory().Value())

		budget := m.budgets[d.Name]
		require.NotNil(t, budget, "a budget for %s", role)
		require.Equal(t, d.Spec.Selector, budget.Spec.Selector)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	for name, d := range load(t).deployments {
		c := d.Spec.Template.Spec.Containers[0]
		ports := map[string]int32{}
		for _, p := range c.Ports {
			ports[p.Name] = p.ContainerPort
		}
		for probe, path := range map[*corev1.Probe]string{c.StartupProbe: health.LivePath, c.LivenessProbe: health.LivePath, c.ReadinessProbe: health.ReadyPath} {
			require.NotNil(t, probe, name)
			require.Equal(t, path, probe.HTTPGet.Path, name)
			require.Equal(t, "probes", probe.HTTPGet.Port.String(), "requests to the API must not keep probes waiting: %s", name)
		}
		// A check may take health.timeout.
		require.Greater(t, time.Duration(c.ReadinessProbe.TimeoutSeconds)*time.Second, config.Default().Health.Timeout, name)
		started := time.Duration(c.StartupProbe.PeriodSeconds*c.StartupProbe.FailureThreshold) * time.Second
		require.Greater(t, started, config.Default().Iggy.StartTimeout, name)
		require.Equal(t, "8081", d.Spec.Template.Annotations["prometheus.io/port"])
		require.Equal(t, map[string]int32{"http": 8080, "probes": 8081}, ports)
	}
}

// The termination grace period covers the preStop wait and the stop of the process.
func TestTerminationGracePeriodFitsTheStop(t *testing.T) {
	t.Parallel()
	for name, d := range load(t).deployments {
		needed := stopTimeout(t)
		if hook := d.Spec.Template.Spec.Containers[0].Lifecycle; hook != nil {
			needed += time.Duration(hook.PreStop.Sleep.Seconds) * time.Second
		}
		grace := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		require.GreaterOrEqual(t, grace, needed+5*time.Second, name)
	}
}

func TestVolumesAndConfiguration(t *testing.T) {
	t.Parallel()
	m := load(t)
	for name, d := range m.deployments {
		volumes := map[string]bool{}
		for _, v := range d.Spec.Template.Spec.Volumes {
			volumes[v.Name] = true
			switch {
			case v.ConfigMap != nil:
				require.Contains(t, m.configs, v.ConfigMap.Name, name)
			case v.PersistentVolumeClaim != nil:
				require.Contains(t, m.claims, v.PersistentVolumeClaim.ClaimName, name)
			case v.Secret != nil:
				require.Equal(t, "iggy", v.Secret.SecretName, "the one that config.yaml tells how to create")
			}
		}
		for _, mount := range d.Spec.Template.Spec.Containers[0].VolumeMounts {
			require.True(t, volumes[mount.Name], "%s: volume %s", name, mount.Name)
		}
		require.Contains(t, d.Spec.Template.Spec.Containers[0].Args, "-config=/etc/fetchbox/fetchbox.yaml")
	}

	// The application refuses unknown keys.
	text := m.configs["fetchbox"].Data["fetchbox.yaml"]
	require.Contains(t, text, "/var/run/secrets/iggy/password")
	secret := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(secret, []byte("x"), 0o600))
	file := filepath.Join(t.TempDir(), "fetchbox.yaml")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(text, "/var/run/secrets/iggy/password", secret)), 0o600))
	var server struct {
		Addr      string   `yaml:"addr"`
		ProbeAddr string   `yaml:"probe_addr"`
		Hosts     []string `yaml:"hosts"`
	}
	cfg, err := config.Load(append(jobs.Options(), config.WithFile(file), config.WithEnviron(nil), config.WithSection("server", &server))...)
	require.NoError(t, err)
	require.Equal(t, ":8080", server.Addr)
	require.Equal(t, ":8081", server.ProbeAddr)
	for _, service := range m.services {
		require.Contains(t, server.Hosts, service.Name, "the API serves the host name of the service")
	}
	consumer := cfg.Consumers["tasks"]
	require.LessOrEqual(t, consumer.DrainTimeout+cfg.Producer.DrainTimeout, stopTimeout(t), "the parts of a stop fit its whole")
}

func TestScalers(t *testing.T) {
	t.Parallel()
	m := load(t)
	require.Len(t, m.scalers, 1)
	for _, h := range m.scalers {
		target := m.deployments[h.Spec.ScaleTargetRef.Name]
		require.NotNil(t, target)
		require.Nil(t, target.Spec.Replicas, "the autoscaler's number would be overwritten by each apply")
		require.Equal(t, "fetchbox-worker", target.Name)
		require.EqualValues(t, jobs.Tasks.Settings().Partitions, h.Spec.MaxReplicas)
		require.Less(t, *h.Spec.MinReplicas, h.Spec.MaxReplicas)
		require.Len(t, h.Spec.Metrics, 1)
		metric := h.Spec.Metrics[0].External
		require.NotNil(t, metric)
		require.Equal(t, jobs.GroupWorkers, metric.Metric.Selector.MatchLabels["messaging_consumer_group_name"])
		source, err := os.ReadFile("../../consumer/metrics.go")
		require.NoError(t, err)
		require.Contains(t, string(source), `"`+strings.ReplaceAll(metric.Metric.Name, "_", ".")+`"`)
		require.Contains(t, string(source), "telemetry.Group(")
		require.Equal(t, "messaging_consumer_group_name", strings.ReplaceAll(string(telemetry.Group("").Key), ".", "_"))
		adapter, err := os.ReadFile("../prometheus-adapter.yaml")
		require.NoError(t, err)
		require.Contains(t, string(adapter), "seriesQuery: "+metric.Metric.Name)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	m := load(t)
	require.Len(t, m.services, 1)
	for _, s := range m.services {
		api := m.deployments["fetchbox-api"]
		require.Equal(t, api.Spec.Template.Labels, s.Spec.Selector)
		for _, port := range s.Spec.Ports {
			require.True(t, slices.ContainsFunc(api.Spec.Template.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
				return p.Name == port.TargetPort.String()
			}))
		}
	}
}
