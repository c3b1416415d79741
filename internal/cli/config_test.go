package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/iggytest"
)

// TestConfigFileIsSharedWithApplications requires that an application's file is accepted: with
// sections of the application, consumers of its own and several clusters.
func TestConfigFileIsSharedWithApplications(t *testing.T) {
	t.Parallel()
	first, second := iggytest.NewServer(t), iggytest.NewServer(t)
	file := writeFile(t, fmt.Sprintf(`# a service's file
http:
  addr: ":8080"
  "odd: key": [1,
    2]
iggy:
  endpoint: iggy://%s
  client_id: iggy
  client_secret: iggy
downloads: {dir: /tmp}
consumers:
  orders:
    group: packers
%sclusters:
  eu:
    iggy:
      endpoint: iggy://%s
      client_id: iggy
      client_secret: iggy
    %sworker:
  n: 3
`, first.Address(), topicsIn("mine")+"  orders: {partitions: 3, of_its_own: 1}\n",
		second.Address(), strings.ReplaceAll(topicsIn("theirs"), "\n  ", "\n      ")))
	require.Contains(t, run(t, "provision", "--dry-run", "--config", file).ok(t), "stream mine")
	require.Contains(t, run(t, "provision", "--dry-run", "--config", file, "--cluster", "eu").ok(t), "stream theirs")
	require.Contains(t, run(t, "ping", "--config", file, "--cluster", "eu").ok(t), second.Address())
	require.Contains(t, run(t, "ping", "--config", file, "--endpoint", second.Address()).ok(t), second.Address())

	run(t, "ping", "--config", file, "--cluster", "us").fails(t, 2, "us")
	run(t, "ping", "--config", "/nonexistent").fails(t, 2, "no such file")
	run(t, "ping", "--config", writeFile(t, "iggy:\n  endpont: x\n  client_id: iggy\n  client_secret: iggy\n")).fails(t, 2, "iggy.endpont: unknown key")
	run(t, "ping", "--config", writeFile(t, "other: 1\niggy:\n  endpont: x\n  client_id: iggy\n  client_secret: iggy\n")).fails(t, 2, ":3)")
	run(t, "ping", "--config", writeFile(t, "iggyy:\n  endpoint: x\n"), "--endpoint", "iggy:iggy@"+first.Address()).
		fails(t, 2, "iggyy: unknown key; did you mean iggy?")
	run(t, "ping", "--config", writeFile(t, "Topics: {}\n"), "--endpoint", "iggy:iggy@"+first.Address()).fails(t, 2, "did you mean topics?")
	run(t, "ping", "--config", writeFile(t, "topic: {a: 1}\ntopics: {}\n"), "--endpoint", "iggy:iggy@"+first.Address()).ok(t)
	run(t, "ping", "--config", writeFile(t, "{"), "--endpoint", "iggy:iggy@"+first.Address()).fails(t, 2, "not valid YAML")
}

// TestMisspeltVariableIsRefused is not parallel: it changes the environment of the process.
func TestMisspeltVariableIsRefused(t *testing.T) {
	srv := iggytest.NewServer(t)
	t.Setenv("FETCHBOX__TOPIC__TASKS__STREAM", "other")
	t.Setenv("FETCHBOX__DOWNLOAD__TIMEOUT", "1s") // another program's
	args := []string{"ping", "--endpoint", "iggy:iggy@" + srv.Address()}
	run(t, args...).fails(t, 2, "did you mean topics? (FETCHBOX__TOPIC__TASKS__STREAM)")
	run(t, append(args, "--config", writeFile(t, "topic: {a: 1}\n"))...).fails(t, 2, "topic: unknown key")
	run(t, append(args, "--config", writeFile(t, "topic: {a: 1}\ntopics: {}\n"))...).ok(t)
}
