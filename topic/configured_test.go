package topic_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func TestSectionIsTheNameWithoutWhatASectionCannotContain(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"orders": "orders", "jobs.done": "jobs_done", "eu-orders": "eu-orders", "a--b..c": "a_b_c", ".a.": "a", "räder": "r_der", "orders_v2": "orders_v2",
	} {
		section := topic.New("s", name, topic.Bytes()).Section()
		require.Equal(t, want, section)
		_, err := config.Load(config.WithTopic(section, config.DefaultTopic("s", name)), config.WithEnviron(nil))
		require.NoError(t, err)
	}
	require.Equal(t, "tasks", topic.New("s", "jobs.tasks", topic.Bytes(), topic.Section[[]byte]("tasks")).Section())
}

func TestDefaultsAreTheSettingsOfTheTopic(t *testing.T) {
	t.Parallel()
	require.Equal(t, config.DefaultTopic("s", "t"), topic.New("s", "t", topic.Bytes()).Defaults())
	full := topic.New("s", "t", topic.Bytes(), topic.Compress[[]byte](config.CompressionZstd, 5),
		topic.WithSettings[[]byte](topic.Settings{Partitions: 3, Retention: topic.RetentionForever, MaxSize: 2 << 30}))
	require.Equal(t, config.Topic{
		Stream: "s", Name: "t", Partitions: 3, Retention: config.RetentionForever, MaxSize: 2 << 30,
		Compression: config.CompressionZstd, CompressionMinSize: 5,
	}, full.Defaults())
	require.Equal(t, full.Defaults(), full.Configured(config.Topics{Declared: map[string]config.Topic{"t": full.Defaults()}}).Defaults())
}

func TestConfigured(t *testing.T) {
	t.Parallel()
	orders := topic.New("shop", "orders", topic.Bytes(), topic.Key(func(b []byte) string { return string(b[:1]) }))
	got := orders.Configured(config.Topics{Declared: map[string]config.Topic{"orders": {
		Stream: "staging", Name: "orders.v2", Partitions: 6, Retention: config.Retention(time.Hour), MaxSize: 1 << 30,
		Compression: config.CompressionS2, CompressionMinSize: 9,
	}}})
	require.Equal(t, "staging/orders.v2", got.String())
	require.Equal(t, topic.Settings{Partitions: 6, Retention: time.Hour, MaxSize: 1 << 30}, got.Settings())
	compression, minSize := got.Compression()
	require.Equal(t, config.CompressionS2, compression)
	require.Equal(t, config.Bytes(9), minSize)
	require.Equal(t, "orders", got.Section(), "also with another name")
	require.Equal(t, "x", got.KeyOf([]byte("xyz")))
	require.Equal(t, "shop/orders", orders.String(), "the topic itself stays as it is")
	require.Equal(t, "shop/orders", orders.Configured(config.Topics{}).String(), "without a section")
}

func TestUnknownCompressionIsAFaultOfTheProgram(t *testing.T) {
	t.Parallel()
	require.PanicsWithError(t, `topic: compression "lz4": must be none, s2, zstd or gzip`, func() { topic.Compress[int]("lz4", 0) })
}
