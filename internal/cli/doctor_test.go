package cli_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/internal/cli"
	"github.com/fetchbox/fetchbox-iggy/internal/transport/transporttest"
)

type findings struct {
	Findings []struct{ Check, Verdict, Detail, Fix string }
}

// verdicts are the verdicts other than ok, by check.
func (f findings) verdicts() map[string]string {
	all := map[string]string{}
	for _, one := range f.Findings {
		if one.Verdict != "ok" {
			all[one.Check] = one.Verdict
		}
	}
	return all
}

// detail is the detail of the first finding of a check.
func (f findings) detail(check string) string {
	for _, one := range f.Findings {
		if one.Check == check {
			return one.Detail
		}
	}
	return ""
}

func TestDoctorFindsFaults(t *testing.T) {
	t.Parallel()
	s := system{iggytest.NewServer(t), t}
	r := s.run("doctor", "-o", "json")
	require.Equal(t, 1, r.code)
	require.Empty(t, r.err)
	require.Equal(t, map[string]string{"topics": "failure", "settings": "warning"}, jsonOf[findings](t, r.out).verdicts())
	s.run("provision", "--yes").ok(t)
	s.run("publish-task", "-f", writeFile(t, taskJSON)).ok(t)
	got := jsonOf[findings](t, s.run("doctor", "-o", "json").ok(t))
	require.Equal(t, map[string]string{"groups": "warning", "settings": "warning"}, got.verdicts())
	for _, f := range got.Findings {
		require.Equal(t, f.Verdict == "ok", f.Fix == "", "each fault comes with its fix: %v", f)
	}
	require.Contains(t, s.run("doctor").ok(t), "fix: start the group's consumers")
	require.NoError(t, s.DeleteGroup("fetchbox", "jobs.dlq", "operators"))
	got = jsonOf[findings](t, s.run("doctor", "-o", "json").ok(t))
	require.Equal(t, map[string]string{"topics": "warning", "groups": "warning", "settings": "warning"}, got.verdicts(), "nobody need consume dead letters")

	check := func(verdicts map[string]string, endpoint string) {
		t.Helper()
		r := run(t, "doctor", "-o", "json", "--endpoint", endpoint)
		require.Equal(t, 1, r.code)
		require.Equal(t, verdicts, jsonOf[findings](t, r.out).verdicts())
	}
	check(map[string]string{"login": "failure"}, "iggy:wrong@"+s.Address())
	r = run(t, "doctor", "-o", "json", "--endpoint", "iggy:s3cr3t%0A@"+s.Address())
	require.Contains(t, jsonOf[findings](t, r.out).detail("login"), "iggy.client_secret ends in a line break")
	require.NotContains(t, r.out, "s3cr3t")
	check(map[string]string{"protocol": "failure"}, "iggy:iggy@"+iggytest.NewTLSServer(t).Address())
	garbage := iggytest.NewServer(t)
	garbage.Inject(iggytest.Garbage([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")...))
	check(map[string]string{"protocol": "failure"}, "iggy:iggy@"+garbage.Address())
	s.StopListening()
	check(map[string]string{"address": "failure"}, "iggy:iggy@"+s.Address())
}

func TestDoctorNamesANewerServer(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	r := run(t, "doctor", "-o", "json", "--endpoint", "iggy:iggy@"+transporttest.NewerServer(t, false))
	require.Equal(t, 1, r.code)
	require.Less(t, time.Since(begin), 5*time.Second)
	got := jsonOf[findings](t, r.out)
	require.Equal(t, map[string]string{"protocol": "failure"}, got.verdicts())
	require.Contains(t, got.detail("protocol"), "a server of Iggy 0.9 or later (protocol versions 0.11.0 to 0.11.0), and this library supports servers of Iggy 0.8 only")
}

func TestDoctorShowsTheNodes(t *testing.T) {
	t.Parallel()
	c := iggytest.NewCluster(t, 2)
	leader, follower := c.Node(0).Address(), c.Node(1).Address()
	endpoint := "iggy:iggy@" + follower
	run(t, "provision", "--yes", "--endpoint", endpoint).ok(t)
	got := jsonOf[findings](t, run(t, "doctor", "-o", "json", "--endpoint", endpoint).ok(t))
	require.Equal(t, map[string]string{"settings": "warning"}, got.verdicts(), "the topics are on the leader")
	require.Equal(t, "iggytest, at its leader "+leader+": node-0 at "+leader+": leader, healthy; node-1 at "+follower+": follower, healthy", got.detail("cluster"))

	c.Change(func(m *embedded.Cluster) { m.Nodes[1].Status = embedded.NodeMaintenance })
	got = jsonOf[findings](t, run(t, "doctor", "-o", "json", "--endpoint", endpoint).ok(t))
	require.Equal(t, "warning", got.verdicts()["cluster"])
	require.Contains(t, got.detail("cluster"), "follower, maintenance")

	c.Node(0).Crash()
	r := run(t, "doctor", "-o", "json", "--endpoint", endpoint)
	require.Equal(t, 1, r.code)
	got = jsonOf[findings](t, r.out)
	require.Equal(t, map[string]string{"cluster": "failure"}, got.verdicts())
	require.Contains(t, got.detail("cluster"), "the leader node-0 at "+leader+", named by "+follower+", can't be reached")
}

// One address that works is enough.
func TestDoctorChecksEachAddress(t *testing.T) {
	t.Parallel()
	away, srv := iggytest.NewServer(t), iggytest.NewServer(t)
	away.StopListening()
	endpoint := "iggy://iggy:iggy@" + away.Address() + "," + srv.Address()
	run(t, "provision", "--yes", "--endpoint", endpoint).ok(t)
	got := jsonOf[findings](t, run(t, "doctor", "-o", "json", "--endpoint", endpoint).ok(t))
	require.Equal(t, map[string]string{"address": "warning", "settings": "warning"}, got.verdicts())
	require.Contains(t, got.detail("address"), away.Address())
	require.Contains(t, run(t, "ping", "--endpoint", endpoint).ok(t), "iggy://"+away.Address()+","+srv.Address()+" answers")
	run(t, "ping", "--endpoint", "iggy://iggy:iggy@a,b:0").fails(t, 2, "with a port of 1 to 65535")
}

func TestDoctorChecksTopicsOfOthers(t *testing.T) {
	t.Parallel()
	s := system{iggytest.NewServer(t), t}
	r := s.run("doctor", "shop/orders", "-o", "json")
	require.Equal(t, 1, r.code)
	got := jsonOf[findings](t, r.out)
	require.Equal(t, map[string]string{"topics": "failure", "settings": "warning"}, got.verdicts())
	require.Equal(t, "missing: shop/orders", got.detail("topics"))
	s.run("provision", "shop/orders", "--group", "billing", "--yes").ok(t)
	require.NoError(t, sendTo(t, connectNative(t, s.Server), "shop", "orders", 0, []byte("one")))
	got = jsonOf[findings](t, s.run("doctor", "shop/orders", "-o", "json").ok(t))
	require.Equal(t, map[string]string{"groups": "warning", "settings": "warning"}, got.verdicts())
	require.Equal(t, "shop/orders has 1 partition with 1 message", got.detail("topics"))
	s.run("doctor", "shop").fails(t, 2, "is no topic")

	// The configuration of other services says nothing about FetchBox's topics.
	got = jsonOf[findings](t, s.run("doctor", "--prefix", "SHOP", "-o", "json").ok(t))
	require.Equal(t, map[string]string{"settings": "warning"}, got.verdicts())
}

// serverConfig is the part of a server's configuration that doctor checks, as Iggy 0.8.0 discloses it.
func serverConfig(cleaner bool, required int, fsync, saver, deduplication bool) string {
	return fmt.Sprintf(`[data_maintenance.messages]
cleaner_enabled = %t
interval = "1m"

[message_saver]
enabled = %t
enforce_fsync = true

[system.partition]
enforce_fsync = %t
messages_required_to_save = %d

[system.message_deduplication]
enabled = %t
`, cleaner, saver, fsync, required, deduplication)
}

func TestDoctorChecksTheSettingsOfTheServer(t *testing.T) {
	t.Parallel()
	const retained = "ok retention: enforced"
	for name, tt := range map[string]struct {
		config string
		want   []string
	}{
		"the defaults of Iggy 0.8.0": {serverConfig(false, 1024, false, true, false), []string{
			"warning retention: the server does not enforce it: orders grow without end",
			"warning durability: confirmed messages may be lost: up to 1024 of each partition are only in the server's memory",
		}},
		"durable":       {serverConfig(true, 1, true, true, false), []string{retained, "ok durability: each message is on disk before it is confirmed"}},
		"without fsync": {serverConfig(true, 1, false, true, false), []string{retained, "warning durability: each message is written at once, but may be lost when the machine fails: enforce_fsync is off"}},
		"no saver": {serverConfig(true, 1024, true, false, false), []string{
			retained,
			"warning durability: confirmed messages may be lost: up to 1024 of each partition are only in the server's memory, for any time",
		}},
		"no saver, durable": {serverConfig(true, 1, true, false, false), []string{retained, "ok durability: each message is on disk before it is confirmed"}},
		"deduplication": {serverConfig(true, 1, true, true, true), []string{
			retained, "ok durability: each message is on disk before it is confirmed",
			"failure deduplication: the server ends at the first message whose id it has stored before, which a retry sends",
		}},
		"nothing disclosed": {"", []string{
			"warning retention: the server does not enforce it: orders grow without end",
			"warning durability: the server does not disclose how many messages it buffers",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, cli.DiagnoseSettings(tt.config))
		})
	}
}

// The page for operators explains each setting that doctor checks.
func TestSettingsOfTheServerAreDescribed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	for _, key := range cli.CheckedSettings() {
		require.Contains(t, string(page), "| `"+key)
	}
}
