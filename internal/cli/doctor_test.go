package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

type findings struct {
	Findings []struct{ Check, Verdict, Detail, Cure string }
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
		require.Equal(t, f.Verdict == "ok", f.Cure == "", "everything that is not in order comes with its cure: %v", f)
	}
	require.Contains(t, s.run("doctor").ok(t), "cure: start the group's consumers")
	require.NoError(t, s.DeleteGroup("fetchbox", "jobs.dlq", "operators"))
	got = jsonOf[findings](t, s.run("doctor", "-o", "json").ok(t))
	require.Equal(t, map[string]string{"topics": "warning", "groups": "warning", "settings": "warning"}, got.verdicts(), "nobody need consume dead letters")

	check := func(verdicts map[string]string, endpoint string) {
		t.Helper()
		r := run(t, "doctor", "-o", "json", "--endpoint", endpoint)
		require.Equal(t, 1, r.code)
		require.Equal(t, verdicts, jsonOf[findings](t, r.out).verdicts())
	}
	check(map[string]string{"login": "failure"}, "iggy:wrong@"+s.Endpoint())
	check(map[string]string{"protocol": "failure"}, "iggy:iggy@"+iggytest.NewTLSServer(t).Endpoint())
	garbage := iggytest.NewServer(t)
	garbage.Inject(iggytest.Garbage([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")...))
	check(map[string]string{"protocol": "failure"}, "iggy:iggy@"+garbage.Endpoint())
	s.StopListening()
	check(map[string]string{"address": "failure"}, "iggy:iggy@"+s.Endpoint())
}
