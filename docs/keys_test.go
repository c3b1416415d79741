package docs_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fetchbox/fetchbox-iggy/config"
)

var (
	// keyRow matches the row of a key in the tables of configuration.md and example.md.
	keyRow = regexp.MustCompile("(?m)^\\| `([a-z]+\\.[A-Za-z_.]+)`")
	// dottedKey matches what may be a key: lower case words with dots, and names in capitals.
	dottedKey = regexp.MustCompile(`^[a-z_]+(\.([a-z0-9_-]+|[A-Z]+|\*))+$`)
	// snakeWord matches a word with underscores in lower case.
	snakeWord = regexp.MustCompile(`[a-z][a-z0-9]*(?:_[a-z0-9]+)+`)
	// attribute matches the name of an attribute of a metric, whose dots Prometheus replaces.
	attribute = regexp.MustCompile(`"([a-z]+(?:\.[a-z_]+)+)"`)
	variable  = regexp.MustCompile(`\b[A-Z]+__[A-Z_]+[A-Z]\b`)
)

// keys has all configuration keys, each as the list of its levels; the levels that are names are
// "*". It includes those of the examples.
type keys [][]string

func allKeys(t *testing.T) keys {
	t.Helper()
	var all keys
	for _, name := range []string{"configuration.md", "example.md"} {
		for _, m := range keyRow.FindAllStringSubmatch(page(t, name), -1) {
			key := strings.Split(m[1], ".")
			for i, level := range key {
				if level == strings.ToUpper(level) {
					key[i] = "*"
				}
			}
			all = append(all, key)
		}
	}
	require.Greater(t, len(all), 70)
	// The sections of examples/shop, and the attributes of telemetry.
	for _, other := range []string{"http.addr", "billing.per_second", "iggy.cluster", "iggy.client.consumer.poll.duration", "server.address", "server.port"} {
		all = append(all, strings.Split(other, "."))
	}
	return all
}

// has reports whether levels is a key, a section, or a key without its first levels.
func (k keys) has(levels []string) bool {
	if levels[0] == "clusters" && len(levels) > 1 {
		return len(levels) == 2 || k.has(levels[2:])
	}
	for _, key := range k {
		for from := range key {
			if len(key)-from >= len(levels) && slices.EqualFunc(levels, key[from:from+len(levels)], func(level, of string) bool {
				return level == of || of == "*"
			}) {
				return true
			}
		}
	}
	return false
}

// section reports whether keys begin with this level.
func (k keys) section(level string) bool {
	return level == "clusters" || slices.ContainsFunc(k, func(key []string) bool { return key[0] == level })
}

// Keys with their sections, and the variables of keys, exist.
func TestKeysExist(t *testing.T) {
	t.Parallel()
	all, seen := allKeys(t), 0
	for name, text := range prose(t) {
		if name == "consumer-internals.md" {
			continue // it names fields
		}
		for _, code := range spans(text) {
			code, _, _ = strings.Cut(code, ":")
			levels := strings.Split(code, ".")
			if strings.HasPrefix(code, "iggy.client.") {
				continue // a metric
			}
			if !dottedKey.MatchString(code) || !all.section(levels[0]) || exists(path.Join("..", code)) || path.Ext(code) == ".go" {
				continue
			}
			if !all.has(levels) {
				t.Errorf("%s: there is no key %s", name, code)
			}
			seen++
		}
		for _, v := range variable.FindAllString(text, -1) {
			levels := strings.Split(strings.ToLower(v), "__")[1:]
			if !all.has(levels) && !strings.HasSuffix(v, "ENDPIONT") { // the misspelling in configuration.md
				t.Errorf("%s: there is no key for %s", name, v)
			}
			seen++
		}
	}
	require.Greater(t, seen, 50)
	require.False(t, all.has([]string{"producer", "lingers"}))
	require.False(t, all.has([]string{"consumers", "tasks", "max_in_flights"}))
	require.True(t, all.has([]string{"clusters", "eu", "consumers", "tasks", "max_in_flight"}))
}

// Blocks of YAML with a section of the library are accepted as configuration.
func TestConfigurationBlocksAreValid(t *testing.T) {
	t.Parallel()
	blocks := 0
	for name, text := range prose(t) {
		found, _ := split(text)
		for _, b := range found {
			if b.language != "yaml" {
				continue
			}
			yamlText := strings.Join(b.code, "\n")
			var sections map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(yamlText), &sections), "%s:%d", name, b.line)
			opts := declarations(sections)
			if opts == nil {
				continue
			}
			blocks++
			opts = append(opts, config.WithEnviron(nil), config.WithYAML(name, []byte(yamlText)), config.IgnoreUndeclared(func(string) {}))
			_, err := config.Load(opts...)
			require.NoError(t, err, "%s:%d", name, b.line)
		}
	}
	require.Positive(t, blocks)
}

// declarations declares the consumers, topics and clusters of a configuration. It returns nil if none
// of the sections is one of the library.
func declarations(sections map[string]any) (opts []config.Option) {
	opts = append(opts, config.WithConsumer("tasks", config.DefaultConsumer("tasks")))
	own := false
	for section, value := range sections {
		values, _ := value.(map[string]any)
		switch section {
		case "consumers":
			for name := range values {
				opts = append(opts, config.WithConsumer(name, config.DefaultConsumer(name)))
			}
		case "topics":
			for name := range values {
				if name != "provision" {
					opts = append(opts, config.WithTopic(name, config.DefaultTopic("stream", name)))
				}
			}
		case "clusters":
			for name := range values {
				opts = append(opts, config.WithCluster(name, config.DefaultCluster()))
			}
		case "iggy", "producer":
		default:
			continue
		}
		own = true
	}
	if !own {
		return nil
	}
	return opts
}

// foreignWords are words with underscores of others.
var foreignWords = map[string]string{
	"descriptor_set_out":  "protoc",
	"proxy_pass":          "nginx",
	"x_test":              "any test",
	"consumer_group":      "Iggy's configuration",
	"rebalancing_timeout": "Iggy's configuration",
	"validate_checksum":   "Iggy's configuration",
}

// Words with underscores, such as keys without their sections, metrics, labels and fields, occur in
// the code or the configuration of the module, or are those of others.
func TestWordsWithUnderscoresExist(t *testing.T) {
	t.Parallel()
	known, used := map[string]bool{}, map[string]bool{}
	walk(t, func(name string) {
		switch path.Ext(name) {
		case ".go", ".yaml", ".json", ".proto", ".html":
			if strings.HasPrefix(name, "../") {
				for _, word := range snakeWord.FindAllString(page(t, name), -1) {
					known[word] = true
				}
				for _, m := range attribute.FindAllStringSubmatch(page(t, name), -1) {
					known[strings.ReplaceAll(m[1], ".", "_")] = true
				}
				known[strings.TrimSuffix(path.Base(name), ".go")] = true
			}
		}
	})
	// The metrics have other names in the code. A test of examples/fxapp compares this page with them.
	for _, m := range regexp.MustCompile("`((?:iggy_client|fetchbox)(?:_[a-z]+)+)`").FindAllStringSubmatch(page(t, "metrics.md"), -1) {
		known[m[1]] = true
	}
	for name, text := range prose(t) {
		if name == "performance.md" {
			continue // the benchmark composes the names of the goals
		}
		for _, code := range spans(text) {
			for _, word := range snakeWord.FindAllString(code, -1) {
				if _, ok := foreignWords[word]; ok {
					used[word] = true
				} else if !known[word] && !strings.Contains(code, word+"_…") {
					t.Errorf("%s: %s in `%s` does not occur in the code", name, word, code)
				}
			}
		}
	}
	for word := range foreignWords {
		require.True(t, used[word], "%s does not occur any more: take it out of the list", word)
	}
}
