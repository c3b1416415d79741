package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
)

type server struct {
	Addr    string            `yaml:"addr"`
	Limit   config.Bytes      `yaml:"limit"`
	Timeout time.Duration     `yaml:"timeout"`
	Origins []string          `yaml:"origins"`
	Labels  map[string]int    `yaml:"labels"`
	Pools   map[string]pool   `yaml:"pools"`
	Plain   float64           // plain
	Hidden  map[struct{}]bool `yaml:"-"`
	private int
}

type pool struct {
	Size uint8 `yaml:"size"`
}

func (s *server) Validate() error {
	if s.Plain < 0 {
		return errors.Join(&config.KeyError{Key: "plain", Err: errors.New("must be 0 or more")}, &config.KeyError{Err: errors.New("is odd")})
	}
	return nil
}

func newServer() server {
	return server{Addr: "127.0.0.1:8080", Limit: 1, Labels: map[string]int{"a": 1}, Pools: map[string]pool{"main": {Size: 1}, "side-a": {}}, private: 7}
}

func TestWithSection(t *testing.T) {
	t.Parallel()
	s := newServer()
	original := s.Labels
	_, err := loadWith(
		config.WithSection("server", &s),
		config.WithYAML("app.yaml", []byte(`
server:
  limit: 5MB
  timeout: 3s
  origins: [a, "b c"]
  labels: {b: 2}
  pools: {main: {size: 9}}
  plain: 1.5
`)),
		config.WithEnviron(append([]string{
			"FETCHBOX__SERVER__ADDR=:9090", "FETCHBOX__SERVER__LABELS__C=3", "FETCHBOX__SERVER__POOLS__SIDE_A__SIZE=4",
		}, login...)),
	)
	require.NoError(t, err)
	require.Equal(t, server{
		Addr: ":9090", Limit: 5e6, Timeout: 3 * time.Second, Origins: []string{"a", "b c"}, Labels: map[string]int{"a": 1, "b": 2, "c": 3},
		Pools: map[string]pool{"main": {Size: 9}, "side-a": {Size: 4}}, Plain: 1.5, private: 7,
	}, s)
	require.Equal(t, map[string]int{"a": 1}, original)

	_, err = loadWith(config.WithSection("server", &s),
		config.WithEnviron(append([]string{"FETCHBOX__SERVER__ORIGINS=x, y"}, login...)))
	require.NoError(t, err)
	require.Equal(t, []string{"x", "y"}, s.Origins)
}

func TestWithSectionFaultsLeaveItUnchanged(t *testing.T) {
	t.Parallel()
	s := newServer()
	_, err := loadWith(
		config.WithSection("server", &s),
		config.WithYAML("app.yaml", []byte(`
server:
  addr: changed
  adr: x
  hidden: x
  labels: {b: x}
  origins: a
  plain: -1
  pools: {other: {size: 1}, main: {size: 300}}
`)),
		config.WithEnviron(append([]string{"FETCHBOX__SERVER__LABELS=1", "FETCHBOX__SERVER__ORIGINS__0=a"}, login...)),
	)
	require.Equal(t, []string{
		"server.adr: unknown key; did you mean addr? (app.yaml:4)",
		"server.hidden: unknown key (app.yaml:5)",
		"server.labels.b: must be a whole number (app.yaml:6)",
		"server.origins: must be a list (app.yaml:7)",
		"server.pools.other: unknown key (app.yaml:9)",
		"server.pools.main.size: must be a whole number of 0 or more that is not so large (app.yaml:9)",
		"server.labels: is a section: name one of its keys after another __ (FETCHBOX__SERVER__LABELS)",
		"server.origins.0: unknown key; server.origins has no keys below it (FETCHBOX__SERVER__ORIGINS__0)",
		"server.plain: must be 0 or more (app.yaml:8)",
		"server: is odd",
	}, texts(t, err))
	require.Equal(t, newServer(), s)
}

func TestWithSectionNeedsToBeAskedFor(t *testing.T) {
	t.Parallel()
	_, err := load("server: {addr: x}\n", "FETCHBOX__SERVER__ADDR=x")
	require.Equal(t, []string{"server: unknown key (app.yaml:1)", "server.addr: unknown key (FETCHBOX__SERVER__ADDR)"}, texts(t, err))
}

func TestMisuseOfOptions(t *testing.T) {
	t.Parallel()
	s, bad := newServer(), struct{ C chan int }{}
	for want, opts := range map[string][]config.Option{
		`section "server": the target must be a pointer to a struct, not config_test.server`:     {config.WithSection("server", s)},
		`section "server": the target must be a pointer to a struct, not <nil>`:                  {config.WithSection("server", nil)},
		`section "iggy": there is one of that name already (iggy)`:                               {config.WithSection("iggy", &s)},
		`section "Clusters": there is one of that name already (clusters)`:                       {config.WithSection("Clusters", &s)},
		`section "server": there is one of that name already (server)`:                           {config.WithSection("server", &s), config.WithSection("server", &s)},
		`section "a.b": the name must be letters and digits`:                                     {config.WithSection("a.b", &s)},
		`section "a__b": the name must be letters and digits`:                                    {config.WithSection("a__b", &s)},
		`section bad.c: values of type chan int can't be configured`:                             {config.WithSection("bad", &bad)},
		`consumer "tasks": there is one of that name already (tasks)`:                            {config.WithConsumer("tasks", config.DefaultConsumer("x"))},
		`consumer "a_b": there is one of that name already (a-b)`:                                {config.WithConsumer("a-b", config.DefaultConsumer("x")), config.WithConsumer("a_b", config.DefaultConsumer("x"))},
		`consumer "": the name must be letters and digits`:                                       {config.WithConsumer("", config.DefaultConsumer("x"))},
		`topic "tasks": there is one of that name already (tasks)`:                               {config.WithTopic("tasks", config.DefaultTopic("s", "t"))},
		`topic "Provision": there is one of that name already (provision)`:                       {config.WithTopic("Provision", config.DefaultTopic("s", "t"))},
		`topic "a.b": the name must be letters and digits`:                                       {config.WithTopic("a.b", config.DefaultTopic("s", "t"))},
		`cluster "eu": there is one of that name already (eu)`:                                   {config.WithCluster("eu", config.DefaultCluster()), config.WithCluster("eu", config.DefaultCluster())},
		`cluster "eu": config: consumer "b c": the name must be letters and digits, with singl`:  {config.WithCluster("eu", config.Cluster{Consumers: map[string]config.Consumer{"b c": {}}})},
		`cluster "eu": config: topic "provision": there is one of that name already (provision)`: {config.WithCluster("eu", config.Cluster{Topics: config.Topics{Declared: map[string]config.Topic{"provision": {}}}})},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := loadWith(append(opts, config.WithEnviron(login))...)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestWithPrefix(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shop.yaml")
	require.NoError(t, os.WriteFile(file, []byte("producer: {linger: 1ms}\n"), 0o600))
	environ := func(prefix string) config.Option {
		return config.WithEnviron([]string{prefix + "_CONFIG=" + file, prefix + "__IGGY__TOKEN=t", "OTHER__IGGY=x", "OTHER_CONFIG=none"})
	}
	for _, prefix := range []string{"SHOP", "MY_SHOP2"} {
		c, err := config.Load(config.WithPrefix(prefix), environ(prefix))
		require.NoError(t, err)
		require.Equal(t, time.Millisecond, c.Producer.Linger)
		require.Equal(t, "t", c.Iggy.Token.Reveal())
		require.Equal(t, prefix+"__CONSUMERS__EU_ORDERS__GROUP", config.Variable(prefix, "consumers.eu-orders.group"))
		require.Equal(t, prefix+"_CONFIG", config.FileVariable(prefix))
	}
	c, err := config.Load(environ(config.DefaultPrefix))
	require.NoError(t, err)
	require.Equal(t, "t", c.Iggy.Token.Reveal())
	for _, bad := range []string{"", "A__B", "A_", "_A", "1A", "A-B"} {
		_, err := config.Load(config.WithPrefix(bad), config.WithEnviron(nil))
		require.ErrorContains(t, err, "must be letters and digits, with single underscores between them", bad)
	}
}

func TestWithTopic(t *testing.T) {
	t.Parallel()
	c, err := config.Load(
		config.WithTopic("eu-orders", config.DefaultTopic("shop", "orders")),
		config.WithYAML("app.yaml", []byte("topics: {provision: off, eu-orders: {partitions: 10, compression: zstd}}\n")),
		config.WithEnviron([]string{"IGGY__TOPICS__EU_ORDERS__RETENTION=7d"}),
	)
	require.NoError(t, err)
	require.Equal(t, config.Topics{Declared: map[string]config.Topic{"eu-orders": {
		Stream: "shop", Name: "orders", Partitions: 10, Retention: config.Retention(7 * 24 * time.Hour),
		Compression: config.CompressionZstd, CompressionMinSize: 1 << 10,
	}}}, c.Topics)

	_, err = config.Load(config.WithTopic("orders", config.Topic{}), config.WithYAML("app.yaml", []byte("topics: {orders: {stream: s}, order: {}}\n")), config.WithEnviron(nil))
	require.Equal(t, []string{
		"topics.order: unknown key; did you mean orders? (app.yaml:1)",
		"topics.orders.name: must have 1 to 255 bytes",
		"topics.orders.partitions: must be 1 to 1000",
		"topics.orders.compression: must be one of [none s2 zstd gzip]",
	}, texts(t, err))
}

// Only a cluster that is used needs a login.
func TestAClusterThatIsNotUsedNeedsNoLogin(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.WithCluster("eu", config.DefaultCluster()), config.WithCluster("us", config.DefaultCluster()),
		config.WithYAML("app.yaml", []byte("clusters: {eu: {iggy: {token: t}}}\n")), config.WithEnviron(nil))
	require.NoError(t, err)
	require.NoError(t, c.ValidateCluster("eu"))
	missing := "iggy.client_id: must be set, with client_secret or client_secret_file, unless token is"
	require.EqualError(t, c.ValidateCluster(""), missing)
	require.EqualError(t, c.ValidateCluster("us"), "clusters.us."+missing)
	require.EqualError(t, c.ValidateCluster("mars"), "clusters.mars: is not declared")

	_, err = config.Load(config.WithYAML("app.yaml", []byte("iggy: {client_id: a}\n")), config.WithEnviron(nil))
	require.EqualError(t, err, "iggy.client_secret: must be set (or client_secret_file) when client_id is", "half a login is a mistake")
}

// The files of a cluster that is not used may be missing. The faults of one that is used have their
// lines and variables.
func TestFilesOfAClusterThatIsNotUsedAreNotRead(t *testing.T) {
	t.Parallel()
	var from config.Sources
	missing := filepath.Join(t.TempDir(), "missing")
	c, err := config.Load(config.WithCluster("eu", config.DefaultCluster()),
		config.WithYAML("app.yaml", []byte("iggy:\n  client_id: ''\nclusters:\n  eu:\n    iggy:\n      client_id: a\n      client_secret_file: "+missing+"\n")),
		config.WithEnviron([]string{"IGGY__CLUSTERS__EU__IGGY__TLS__ENABLED=true", "IGGY__CLUSTERS__EU__IGGY__TLS__CA_FILE=" + missing}),
		config.WithOverride(func(_ *config.Config, s config.Sources) error {
			from = s
			return nil
		}))
	require.NoError(t, err)
	require.NoError(t, c.Validate())
	open := ": open " + missing + ": no such file or directory ("
	require.Equal(t, []string{
		"clusters.eu.iggy.client_secret_file" + open + "app.yaml:7)",
		"clusters.eu.iggy.tls.ca_file" + open + "IGGY__CLUSTERS__EU__IGGY__TLS__CA_FILE)",
	}, texts(t, from.Locate(c.ValidateCluster("eu"))))
	require.EqualError(t, from.Locate(c.ValidateCluster("")),
		"iggy.client_id: must be set, with client_secret or client_secret_file, unless token is (app.yaml:2)")
	require.EqualError(t, from.Locate(&config.KeyError{Key: "iggy.client_id", Err: errors.New("must be set")}), "iggy.client_id: must be set (app.yaml:2)")
	require.EqualError(t, from.Locate(&config.KeyError{Key: "iggy.token", Err: errors.New("must be set")}), "iggy.token: must be set (IGGY__IGGY__TOKEN)", "nothing sets it")
	require.NoError(t, from.Locate(nil))
	other := errors.New("no fault of a key")
	require.Equal(t, other, from.Locate(other))

	// What can be checked without the files is checked.
	_, err = config.Load(config.WithEnviron(nil), config.WithYAML("app.yaml", []byte(
		"iggy:\n  client_secret_file: "+missing+"\n  tls:\n    enabled: true\n    cert_file: "+missing+"\n")))
	require.Equal(t, []string{
		"iggy.client_id: must be set when client_secret or client_secret_file is",
		"iggy.tls.key_file: must be set when cert_file is",
	}, texts(t, err))
}

// level is a type of an application whose errors quote the text.
type level int

func (l *level) UnmarshalText(text []byte) error {
	if string(text) != "high" {
		return fmt.Errorf("%q is no level", text)
	}
	*l = 1
	return nil
}

// A secret may be under the wrong key, or in a section of the application.
func TestErrorsOfAnApplicationsTypeDoNotQuoteTheValue(t *testing.T) {
	t.Parallel()
	var s struct {
		Level  level
		Levels []level
	}
	_, err := config.Load(config.WithSection("audit", &s),
		config.WithYAML("app.yaml", []byte("audit:\n  level: hunter2\n  levels: [high, hunter2]\n")), config.WithEnviron([]string{"IGGY__AUDIT__LEVEL=hunter2"}))
	require.Equal(t, []string{
		"audit.level: must be a valid config_test.level (app.yaml:2)",
		"audit.levels[1]: must be a valid config_test.level (app.yaml:3)",
		"audit.level: must be a valid config_test.level (IGGY__AUDIT__LEVEL)",
	}, texts(t, err))
}

// checkedSection is a section that is not valid.
type checkedSection struct{ Port int }

func (checkedSection) Validate() error { return errors.New("is wrong") }

// The order of faults does not depend on chance.
func TestFaultsOfSeveralSectionsHaveAnOrder(t *testing.T) {
	t.Parallel()
	sections := make([]checkedSection, 8)
	for range 10 {
		opts := []config.Option{config.WithYAML("app.yaml", nil), config.WithEnviron(nil)}
		var want []string
		for i := range sections {
			name := string(rune('a' + i))
			opts = append(opts, config.WithSection(name, &sections[i]))
			want = append(want, name+": is wrong")
		}
		_, err := config.Load(opts...)
		require.Equal(t, want, texts(t, err))
	}
}

func TestWithConsumer(t *testing.T) {
	t.Parallel()
	defaults := config.DefaultConsumer("orders")
	defaults.MaxInFlight = 3
	c, err := loadWith(
		config.WithConsumer("eu-orders", defaults),
		config.WithYAML("app.yaml", []byte("consumers: {eu-orders: {batch_size: 10}}\n")),
		config.WithEnviron(append([]string{"FETCHBOX__CONSUMERS__EU_ORDERS__MAX_IN_FLIGHT=4"}, login...)),
	)
	require.NoError(t, err)
	defaults.BatchSize, defaults.MaxInFlight = 10, 4
	require.Equal(t, defaults, c.Consumers["eu-orders"])
	require.Len(t, c.Consumers, 5)

	defaults.BatchSize = 0
	_, err = loadWith(config.WithConsumer("eu-orders", defaults), config.WithEnviron(login))
	require.Equal(t, []string{"consumers.eu-orders.batch_size: must be 1 to 100000"}, texts(t, err))
}

func TestWithCluster(t *testing.T) {
	t.Parallel()
	eu := config.DefaultCluster()
	eu.Consumers["orders"] = config.DefaultConsumer("orders")
	c, err := loadWith(
		config.WithCluster("eu", eu),
		config.WithYAML("app.yaml", []byte(`
iggy: {endpoint: "iggy://home:1"}
clusters:
  eu:
    iggy: {endpoint: "iggy://eu:2", client_id: x}
    consumers: {orders: {group: g}}
`)),
		config.WithEnviron(append([]string{"FETCHBOX__CLUSTERS__EU__IGGY__CLIENT_SECRET=y"}, login...)),
	)
	require.NoError(t, err)
	want := eu
	want.Consumers["orders"] = config.DefaultConsumer("g")
	want.Iggy.Endpoint, want.Iggy.ClientID, want.Iggy.ClientSecret = "iggy://eu:2", "x", config.NewSecret("y")
	require.Equal(t, map[string]config.Cluster{"eu": want}, c.Clusters)
	require.Equal(t, "home:1", c.Iggy.Address())

	_, err = loadWith(
		config.WithCluster("eu", config.DefaultCluster()),
		config.WithYAML("app.yaml", []byte("clusters: {eu: {iggy: {token: t}, producer: {connections: 0}, consumers: {orders: {}}}, us: {}}\n")),
		config.WithEnviron(login),
	)
	require.Equal(t, []string{
		"clusters.eu.consumers.orders: unknown key (app.yaml:1)",
		"clusters.us: unknown key (app.yaml:1)",
		"clusters.eu.producer.connections: must be 1 or more (app.yaml:1)",
	}, texts(t, err))
}

func TestWithOverride(t *testing.T) {
	t.Parallel()
	var from config.Sources
	run := func(override func(*config.Config, config.Sources) error, environ ...string) (config.Config, error) {
		return loadWith(config.WithYAML("app.yaml", []byte("\nproducer: {linger: 1ms}\n")), config.WithEnviron(environ),
			config.WithOverride(override))
	}
	c, err := run(func(c *config.Config, sources config.Sources) error {
		from = sources
		if !sources.Has("iggy.endpoint") {
			c.Iggy.Endpoint, c.Iggy.Token = "iggy://embedded:1", config.NewSecret("t")
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "embedded:1", c.Iggy.Address())
	require.Equal(t, config.Source{File: "app.yaml", Line: 2}, from.Of("producer.linger"))
	require.Zero(t, from.Of("producer"))
	require.Zero(t, from.Of("iggy.endpoint"), "the override is no source")
	require.True(t, from.Has("producer"))
	require.False(t, from.Has("prod"))

	odd := errors.New("odd")
	_, err = run(func(c *config.Config, _ config.Sources) error {
		c.Producer.Connections = 0
		return fmt.Errorf("flag: %w", odd)
	}, login...)
	require.ErrorIs(t, err, odd)
	require.ErrorContains(t, err, "producer.connections: must be 1 or more")
}
