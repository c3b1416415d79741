package cli_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

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

	run(t, "ping", "--config", file, "--cluster", "us").fails(t, 2, `the configuration has no cluster "us"; it has eu`)
	run(t, "ping", "--config", "/nonexistent").fails(t, 2, "no such file")
	run(t, "ping", "--config", writeFile(t, "iggy:\n  endpont: x\n  client_id: iggy\n  client_secret: iggy\n")).fails(t, 2, "iggy.endpont: unknown key")
	run(t, "ping", "--config", writeFile(t, "other: 1\niggy:\n  endpont: x\n  client_id: iggy\n  client_secret: iggy\n")).fails(t, 2, ":3)")
	run(t, "ping", "--config", writeFile(t, "iggyy:\n  endpoint: x\n"), "--endpoint", "iggy:iggy@"+first.Address()).
		fails(t, 2, "iggyy: unknown key; did you mean iggy?")
	run(t, "ping", "--config", writeFile(t, "Topics: {}\n"), "--endpoint", "iggy:iggy@"+first.Address()).fails(t, 2, "did you mean topics?")
	run(t, "ping", "--config", writeFile(t, "topic: {a: 1}\ntopics: {}\n"), "--endpoint", "iggy:iggy@"+first.Address()).ok(t)
	run(t, "ping", "--config", writeFile(t, "{"), "--endpoint", "iggy:iggy@"+first.Address()).fails(t, 2, "not valid YAML")
}

// TestConfigFileInEveryFormOfYAML requires that a file in any form that services read is accepted, with
// what is the services' own in it.
func TestConfigFileInEveryFormOfYAML(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	block := "http:\n  addr: &addr 127.0.0.1:1\n  timeout: &timeout 7s\niggy:\n  endpoint: iggy://" + srv.Address() +
		"\n  client_id: iggy\n  client_secret: iggy\nconsumers:\n  tasks:\n    handler_timeout: *timeout\nother: *addr\n"
	little, big := []byte{0xff, 0xfe}, []byte{0xfe, 0xff}
	for _, unit := range utf16.Encode([]rune(block)) {
		little, big = binary.LittleEndian.AppendUint16(little, unit), binary.BigEndian.AppendUint16(big, unit)
	}
	for name, text := range map[string]string{
		"anchors across sections": block,
		"CR":                      strings.ReplaceAll(block, "\n", "\r"),
		"CR LF":                   strings.ReplaceAll(block, "\n", "\r\n"),
		"UTF-8 with a BOM":        "\ufeff" + block,
		"UTF-16 LE":               string(little),
		"UTF-16 BE":               string(big),
		"flow style":              `{"http": {"addr": [1]}, "iggy": {"endpoint": "iggy://` + srv.Address() + `", "client_id": "iggy", "client_secret": "iggy"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, "ping", "--config", writeFile(t, text)).ok(t)
		})
	}
}

// TestClusterNeedsItsOwnConfigurationOnly requires that a cluster is used whose login is the only one,
// also when that of the sections at the top level can't be read here.
func TestClusterNeedsItsOwnConfigurationOnly(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	eu := "clusters:\n  eu:\n    iggy: {endpoint: iggy://" + srv.Address() + ", client_id: iggy, client_secret: iggy}\n"
	run(t, "ping", "--config", writeFile(t, eu), "--cluster", "eu").ok(t)
	run(t, "ping", "--config", writeFile(t, eu)).fails(t, 2, "iggy.client_id: must be set")
	unused := writeFile(t, "iggy:\n  client_id: a\n  client_secret_file: /nonexistent\n"+eu)
	run(t, "ping", "--config", unused, "--cluster", "eu").ok(t)
	run(t, "ping", "--config", unused).fails(t, 2, "no such file or directory ("+unused+":3)")
	away := eu + "  us:\n    iggy: {client_id: us, client_secret_file: /nonexistent}\niggy: {client_id: x, client_secret_file: /nonexistent}\n"
	run(t, "ping", "--config", writeFile(t, away), "--cluster", "eu").ok(t)
}

// TestPrefixIsThatOfTheServices is not parallel: it changes the environment of the process.
func TestPrefixIsThatOfTheServices(t *testing.T) {
	srv := iggytest.NewServer(t)
	t.Setenv("SHOP_CONFIG", writeFile(t, "iggy: {endpoint: iggy://"+srv.Address()+", client_id: iggy}\n"))
	t.Setenv("shop__iggy__client_secret", iggytest.Password)
	t.Setenv("FETCHBOX__IGGY__ENDPONT", "x")
	run(t, "ping", "--prefix", "SHOP").ok(t)
	run(t, "ping", "--prefix", "SHOP-").fails(t, 2, `prefix "SHOP-"`)
	run(t, "ping").fails(t, 2, "did you mean endpoint? (FETCHBOX__IGGY__ENDPONT)")
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
