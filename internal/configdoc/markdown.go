package configdoc

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/config"
)

const markdownHead = `<!-- Generated from the structs of package config by "make generate"; do not edit. -->
# Configuration

This page shows how to configure a service with a file and with environment variables, and lists every key.

` + "`" + `` + "`" + `` + "`" + `yaml
iggy:
  endpoint: iggy://iggy.example.com:8090
consumers:
  billing: {max_in_flight: 64}
topics:
  orders: {partitions: 8, retention: 7d}
` + "`" + `` + "`" + `` + "`" + `

` + "`" + `` + "`" + `` + "`" + `sh
export SHOP_CONFIG=shop.yaml SHOP__IGGY__CLIENT_ID=billing SHOP__IGGY__CLIENT_SECRET=…
` + "`" + `` + "`" + `` + "`" + `

A file needs only the keys that it changes. [fetchbox.example.yaml](../jobs/fetchbox.example.yaml) has every key of a
FetchBox service with its default.

## Layers

Each layer overrides the one before:

1. The defaults. They are complete except for the login.
2. One YAML file, which the application or the variable ` + "`" + `PREFIX_CONFIG` + "`" + ` names.
3. Environment variables: ` + "`" + `PREFIX__` + "`" + ` and the levels of the key, with two underscores between them, in any case of
   letters. For a dash in a name, write an underscore. An empty variable sets a text to the empty string.

` + "`" + `PREFIX` + "`" + ` is ` + "`" + `FETCHBOX` + "`" + ` for FetchBox's services and the command line tool (` + "`" + `fxiggy.Module` + "`" + `, ` + "`" + `jobs.Options` + "`" + `). Other
applications set their own with ` + "`" + `fxiggy.Prefix` + "`" + ` or ` + "`" + `config.WithPrefix` + "`" + `. The default is ` + "`" + `IGGY` + "`" + `.

## What an application declares

An application declares its consumers, topics and clusters. It may have sections of its own in the same file, with the
same rules:

| section | with Fx | without Fx |
|---|---|---|
| ` + "`" + `consumers.NAME` + "`" + ` | ` + "`" + `fxiggy.Consume` + "`" + ` | ` + "`" + `config.WithConsumer` + "`" + ` |
| ` + "`" + `topics.NAME` + "`" + ` | ` + "`" + `fxiggy.Consume` + "`" + `, ` + "`" + `fxiggy.Publish` + "`" + ` | ` + "`" + `config.WithTopic` + "`" + ` |
| ` + "`" + `clusters.NAME` + "`" + ` | ` + "`" + `fxiggy.Cluster` + "`" + ` | ` + "`" + `config.WithCluster` + "`" + ` |
| its own | ` + "`" + `fxiggy.Section` + "`" + ` | ` + "`" + `config.WithSection` + "`" + ` |

## Errors

Unknown keys and invalid values are errors, in the file and in the environment. The application reports all errors at
once, each with its key and its line or variable, and without secrets:

` + "`" + `` + "`" + `` + "`" + `text
producer.retry.max_retries: must be 0 or more, or -1 for no limit (shop.yaml:12)
iggy.endpiont: unknown key; did you mean endpoint? (PREFIX__IGGY__ENDPIONT)
iggy.client_secret: must be set (or client_secret_file) when client_id is
` + "`" + `` + "`" + `` + "`" + `

## Login

There are three ways to log in. Set exactly one of them, for each cluster that the application uses:

- ` + "`" + `client_id` + "`" + ` with ` + "`" + `client_secret` + "`" + `;
- ` + "`" + `client_id` + "`" + ` with ` + "`" + `client_secret_file` + "`" + `;
- ` + "`" + `token` + "`" + `.

Secret files and certificates are checked at start, and read again for each new connection. So renewed files take effect
without a restart.

## Types of values

| type | format |
|---|---|
| duration | ` + "`" + `500ms` + "`" + `, ` + "`" + `5s` + "`" + `, ` + "`" + `1m30s` + "`" + `: a number always has a unit; at most ` + "`" + `8760h` + "`" + `, a year |
| size | ` + "`" + `64MiB` + "`" + `, ` + "`" + `10MB` + "`" + `, ` + "`" + `1024` + "`" + `: a number without a unit is bytes |
| retention | ` + "`" + `7d` + "`" + `, ` + "`" + `1d12h` + "`" + `, ` + "`" + `90m` + "`" + `; ` + "`" + `0` + "`" + ` is the server's default, ` + "`" + `-1` + "`" + ` for ever |
| boolean | ` + "`" + `true` + "`" + ` or ` + "`" + `false` + "`" + `, ` + "`" + `on` + "`" + ` or ` + "`" + `off` + "`" + `, ` + "`" + `yes` + "`" + ` or ` + "`" + `no` + "`" + ` |
| secret | text; it is printed as ` + "`" + `***` + "`" + ` everywhere |
`

const markdownTail = `
## clusters

A cluster has the name with which the application declares it. It has the keys ` + "`" + `iggy` + "`" + `, ` + "`" + `producer` + "`" + `, ` + "`" + `consumers` + "`" + ` and
` + "`" + `topics` + "`" + `, with the same defaults. It takes no values from the keys at the top level:

` + "`" + `` + "`" + `` + "`" + `yaml
clusters:
  eu:
    iggy: {endpoint: "iggy://eu.example.com:8090"}
    topics: {orders: {partitions: 2}}
` + "`" + `` + "`" + `` + "`" + `

The variable of ` + "`" + `clusters.eu.iggy.endpoint` + "`" + ` is ` + "`" + `PREFIX__CLUSTERS__EU__IGGY__ENDPOINT` + "`" + `.

With Fx, ` + "`" + `fxiggy.Cluster("eu")` + "`" + ` declares the cluster, and the option ` + "`" + `fxiggy.On("eu")` + "`" + ` of ` + "`" + `fxiggy.Consume` + "`" + ` and
` + "`" + `fxiggy.Publish` + "`" + ` selects it. The values that Fx provides then have the name ` + "`" + `eu` + "`" + `; [own-topics.md](own-topics.md#the-application)
has an example. ` + "`" + `fxiggy.Named("eu")` + "`" + ` is ` + "`" + `fxiggy.Cluster("eu")` + "`" + ` with FetchBox's topics. Without Fx, ` + "`" + `producer.WithCluster` + "`" + ` and
` + "`" + `consumer.WithCluster` + "`" + ` set the name.

The label ` + "`" + `iggy_cluster` + "`" + ` of all metrics is the name of the cluster, ` + "`" + `default` + "`" + ` for the unnamed one. In logs, errors and health
checks, the name of the cluster precedes the name of the component: ` + "`" + `eu.tasks` + "`" + `, ` + "`" + `eu.producer` + "`" + `.
`

// Markdown returns the content of docs/configuration.md. dir holds the source of package config.
func Markdown(dir string) ([]byte, error) {
	entries, err := tree(dir)
	if err != nil {
		return nil, err
	}
	declared, err := declaredSections(dir)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(markdownHead)
	for _, e := range entries {
		if len(e.entries) == 0 {
			continue // clusters, which the tail describes
		}
		fmt.Fprintf(&out, "\n## %s\n\n%s\n", e.key, e.meaning)
		writeSection(&out, e, declared)
	}
	out.WriteString(markdownTail)
	return out.Bytes(), nil
}

// writeSection writes the keys of a section, and then its sections.
func writeSection(out *bytes.Buffer, e entry, declared map[string]entry) {
	var values, sections []entry
	for _, child := range e.entries {
		if len(child.entries) == 0 {
			values = append(values, child)
		} else {
			sections = append(sections, child)
		}
	}
	writeTable(out, values)
	for i := 0; i < len(sections); {
		same := i + 1
		if _, ok := declared[sections[i].section]; ok {
			for same < len(sections) && sections[same].section == sections[i].section {
				same++
			}
		}
		writeSections(out, e.path, sections[i:same], declared)
		i = same
	}
}

// writeSections writes one description for sections with the same keys, which an application declares.
func writeSections(out *bytes.Buffer, parent string, same []entry, declared map[string]entry) {
	first := same[0]
	if len(same) == 1 {
		fmt.Fprintf(out, "\n### %s\n\n%s\n", first.path, first.meaning)
		writeSection(out, first, declared)
		return
	}
	names := make([]string, len(same))
	for i, e := range same {
		names[i] = "`" + e.key + "`"
	}
	name := strings.ToUpper(first.section)
	general := rename(declared[first.section], "", parent+"."+name+".")
	general.path = parent + "." + name
	fmt.Fprintf(out, "\n### %s\n\n%s is the name with which the application declares it. %s\n", general.path, name, declaredDefaults[first.section])
	differ := differences(same, general)
	fmt.Fprintf(out, "\nFetchBox declares %s. Their defaults differ in:\n\n| |", strings.Join(names, ", "))
	for _, i := range differ {
		fmt.Fprintf(out, " %s |", first.entries[i].key)
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(differ)) + "\n")
	for _, e := range same {
		fmt.Fprintf(out, "| `%s` |", e.key)
		for _, i := range differ {
			fmt.Fprintf(out, " `%s` |", e.entries[i].value)
		}
		out.WriteByte('\n')
	}
	for i, e := range general.entries {
		if e.value == `""` {
			general.entries[i].value = "" // it is declared
		}
	}
	writeSection(out, general, declared)
}

// declaredDefaults says what the defaults of the sections are that an application declares.
var declaredDefaults = map[string]string{
	"Consumer": "The default of its group is the same name.",
	"Topic": "Its defaults come from the Go value:\n" +
		"its stream and name, `topic.Settings` and `topic.Compress`. The table has the defaults of a topic without these options.",
}

// differences are the indexes of the keys whose defaults are not the general ones.
func differences(same []entry, general entry) []int {
	var differ []int
	for i := range general.entries {
		for _, e := range same {
			if e.entries[i].value != general.entries[i].value {
				differ = append(differ, i)
				break
			}
		}
	}
	return differ
}

// rename replaces the start of the paths of an entry.
func rename(e entry, from, to string) entry {
	e.path = to + strings.TrimPrefix(e.path, from)
	children := make([]entry, len(e.entries))
	for i, child := range e.entries {
		children[i] = rename(child, from, to)
	}
	e.entries = children
	return e
}

// writeTable writes the table of keys.
func writeTable(out *bytes.Buffer, values []entry) {
	if len(values) == 0 {
		return
	}
	out.WriteString("\n| key, variable | type | default | meaning |\n|---|---|---|---|\n")
	for _, e := range values {
		kind := e.kind
		if len(e.choices) > 0 {
			kind = "`" + strings.Join(e.choices, "`, `") + "`"
		}
		value := "see above"
		if e.value != "" {
			value = "`" + e.value + "`"
		}
		fmt.Fprintf(out, "| `%s`<br>`%s` | %s | %s | %s |\n", e.path, config.Variable("PREFIX", e.path), kind, value, strings.ReplaceAll(e.meaning, "|", `\|`))
	}
}
