package config_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/stretchr/testify/require"
)

func TestLoadReadsEncodingsAndLineBreaks(t *testing.T) {
	t.Parallel()
	plain := "consumers:\n  tasks:\n    group: wörkers\n"
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(plain)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for name, data := range map[string][]byte{
		"byte order mark": []byte("\ufeff" + plain),
		"CRLF":            bytes.ReplaceAll([]byte(plain), []byte("\n"), []byte("\r\n")),
		"UTF-16":          wide,
		"no line break":   []byte(strings.TrimSuffix(plain, "\n")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := load(string(data))
			require.NoError(t, err)
			require.Equal(t, "wörkers", c.Consumers["tasks"].Group)
		})
	}
	for name, data := range map[string]string{
		"Latin-1": "consumers: {tasks: {group: w\xf6rkers}}\n",
		"binary":  "\x7fELF\x02\x01\x01\x00\x00",
		"NUL":     "iggy: {client_id: a\x00b}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(data)
			all := texts(t, err)
			require.Len(t, all, 1)
			require.Contains(t, all[0], "not valid YAML: ")
			require.Contains(t, all[0], "(app.yaml")
		})
	}
}

// Nested aliases stand for billions of values. Only the values of known keys are visited.
func TestLoadBoundsAliasesAndNesting(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 {group: x}\n")
	for i := range 30 {
		alias := "*a" + string(rune('0'+i%10))
		name := "&a" + string(rune('0'+(i+1)%10))
		bomb.WriteString("x: " + name + " [" + strings.Repeat(alias+", ", 10) + alias + "]\n")
	}
	bomb.WriteString("consumers: {tasks: {group: *a0}}\n")
	_, err := load(bomb.String())
	require.ErrorContains(t, err, "consumers.tasks.group: must be a single value")

	_, err = load("iggy: &a {tls: *a}\n")
	require.Equal(t, []string{"iggy.tls.tls: unknown key (app.yaml:1)"}, texts(t, err))

	_, err = load("iggy: {endpoint: " + strings.Repeat("[", 20_000) + "}\n")
	require.ErrorContains(t, err, "not valid YAML")

	// As many keys as fit into a file, with as many merges as are allowed.
	var wide strings.Builder
	wide.WriteString("consumers:\n  tasks: &a\n")
	for i := range 5_000 {
		wide.WriteString("    k" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + ": \n")
	}
	wide.WriteString("  logs:\n    <<: [" + strings.Repeat("*a,", 2000) + "*a]\n")
	_, err = load(wide.String())
	require.ErrorContains(t, err, "too many merges")
}

// The lines of a secret in block style that are not indented are read as keys, and an error about
// an unknown key would show them.
func TestLoadDoesNotShowASecretThatIsNotIndented(t *testing.T) {
	t.Parallel()
	const hidden = "unknown key, not shown because it may be a part of iggy.client_secret: indent all lines of that value"
	for name, tt := range map[string]struct {
		yaml string
		want []string
	}{
		"block":        {"iggy:\n  client_secret: |\n  " + password + ": x\n", []string{"iggy: " + hidden + " (app.yaml:3)"}},
		"folded":       {"iggy:\n  client_secret: >-\n  " + password + ": x\n", []string{"iggy: " + hidden + " (app.yaml:3)"}},
		"no indicator": {"iggy:\n  client_secret:\n  " + password + ": x\n", []string{`iggy.client_secret: must have a value ("" for an empty one) (app.yaml:2)`, "iggy: " + hidden + " (app.yaml:3)"}},
		"later lines":  {"iggy:\n  client_secret: |\n    first\n  " + password + ": x\n", []string{"iggy: " + hidden + " (app.yaml:4)"}},
		"twice":        {"iggy:\n  client_secret: |\n  " + password + ": x\n  " + password + ": y\n", []string{"iggy: " + hidden + " (app.yaml:3)", "iggy: " + hidden + " (app.yaml:4)"}},
		"at the edge":  {"iggy:\n  client_secret: |\n" + password + ": x\n", []string{hidden + " (app.yaml:3)"}},
		"no colon":     {"iggy:\n  client_secret: |\n  " + password + "\n", []string{"not valid YAML: could not find expected … (app.yaml:3)"}},
		"other keys are shown": {"iggy:\n  client_secret: |\n    x\n  client_id: a\n  dail_timeout: 1s\n", []string{
			"iggy.dail_timeout: unknown key; did you mean dial_timeout? (app.yaml:5)",
		}},
		"behind a plain one": {"iggy:\n  client_secret: \"\"\n  dail_timeout: 1s\n", []string{
			"iggy.dail_timeout: unknown key; did you mean dial_timeout? (app.yaml:3)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(tt.yaml)
			require.Equal(t, tt.want, texts(t, err))
			require.NotContains(t, err.Error(), password)
		})
	}
}

func TestLoadFaultsOfTheFileItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"syntax":         {"iggy:\n  endpoint: [\n", []string{"not valid YAML: did not find expected node content (app.yaml:2)"}},
		"tab":            {"iggy:\n\tendpoint: x\n", []string{"not valid YAML: found character that cannot start any token (app.yaml:2)"}},
		"unknown anchor": {"iggy: *nowhere\n", []string{"not valid YAML: unknown anchor … referenced (app.yaml)"}},
		"list":           {"- a\n", []string{"must be a section of keys (app.yaml:1)"}},
		"two documents":  {"iggy: {}\n---\niggy: {}\n", []string{"must be a single YAML document (app.yaml:2)"}},
		"set twice": {"iggy:\n  client_id: a\nhealth:\n  timeout: 1s\niggy: {}\n", []string{
			"iggy: is already set at line 1 (app.yaml:5)",
		}},
		"null":          {"iggy:\n  endpoint:\n", []string{`iggy.endpoint: must have a value ("" for an empty one) (app.yaml:2)`}},
		"tag":           {"iggy: {client_id: !!binary aGk=}\n", []string{"iggy.client_id: must have no tag of its own (app.yaml:1)"}},
		"key no scalar": {"? {a: 1}\n: x\n", []string{"keys must be plain text (app.yaml:1)"}},
		"case":          {"Iggy: {}\n", []string{"Iggy: unknown key; did you mean iggy? (app.yaml:1)"}},
		"merge": {"health:\n  <<: 5s\n  <<: [{timeout: 2s}, x]\n", []string{
			"health: only sections can be merged (app.yaml:2)", "health: only sections can be merged (app.yaml:3)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(c.yaml)
			require.Equal(t, c.want, texts(t, err))
		})
	}
}

func TestLoadAnchorsAndMerges(t *testing.T) {
	t.Parallel()
	c, err := load(`
consumers:
  tasks: &patient {max_in_flight: 7, drain_timeout: 1m, group: a}
  status: *patient
  logs:
    group: b
    <<: *patient
  dlq:
    <<: [{group: first}, *patient]
`)
	require.NoError(t, err)
	want := config.DefaultConsumer("a")
	want.MaxInFlight, want.DrainTimeout = 7, time.Minute
	require.Equal(t, want, c.Consumers["status"])
	want.Group = "b"
	require.Equal(t, want, c.Consumers["logs"])
	want.Group = "first"
	require.Equal(t, want, c.Consumers["dlq"])
}

// The time for merges within merges grows exponentially without a limit.
func TestLoadBoundsMerges(t *testing.T) {
	t.Parallel()
	yaml := "consumers:\n  tasks: &a0 {group: a}\n"
	for i, name := range []string{"status", "logs", "dlq"} {
		ref := "*a" + string(rune('0'+i))
		yaml += "  " + name + ": &a" + string(rune('1'+i)) + "\n    <<: [" + ref
		for range 40 {
			yaml += ", " + ref
		}
		yaml += "]\n"
	}
	_, err := load(yaml)
	require.ErrorContains(t, err, "too many merges")
}

func TestLoadTakesScalarsAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	c, err := load("iggy:\n  client_id: 0123\nconsumers:\n  tasks: {group: yes}\n  logs: {group: !!str 1e3}\n")
	require.NoError(t, err)
	require.Equal(t, "worker", c.Iggy.ClientID, "the environment is over the file")
	require.Equal(t, "yes", c.Consumers["tasks"].Group)
	require.Equal(t, "1e3", c.Consumers["logs"].Group)

	c, err = loadWith(config.WithYAML("app.yaml", []byte("iggy: {client_id: 0123, client_secret: 007}\n")), config.WithEnviron(nil))
	require.NoError(t, err)
	require.Equal(t, "0123", c.Iggy.ClientID)
	require.Equal(t, "007", c.Iggy.ClientSecret.Reveal())
}
