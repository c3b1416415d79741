package topic

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// Section sets the name of the topic's configuration section, topics.NAME: letters and digits, with
// single dashes or underscores between them. The default is the name of the topic, with an
// underscore for what can't be in the name of a section: topics.jobs_done for jobs.done.
func Section[T any](name string) Option[T] {
	return func(t *Topic[T]) { t.section = name }
}

// Compress sets how payloads are compressed that have at least minSize bytes, where that makes the
// message smaller. The message then has the header content-encoding. The default is no compression.
// Compress panics for an unknown compression.
func Compress[T any](c config.Compression, minSize config.Bytes) Option[T] {
	switch c {
	case config.CompressionNone, config.CompressionS2, config.CompressionZstd, config.CompressionGzip:
	default:
		panic(fmt.Errorf("topic: compression %q: must be none, s2, zstd or gzip", c))
	}
	return func(t *Topic[T]) { t.compression, t.compressionMinSize = c, minSize }
}

// Section returns the name of the topic's configuration section.
func (t Topic[T]) Section() string {
	if t.section != "" {
		return t.section
	}
	words := notInSection.Split(t.name, -1)
	return strings.Trim(strings.Join(words, "_"), "_-")
}

// notInSection matches what the name of a section can't contain.
var notInSection = regexp.MustCompile(`[^A-Za-z0-9-]+|-{2,}`)

// Compression returns how payloads are compressed, and the size of the smallest payload that is.
func (t Topic[T]) Compression() (config.Compression, config.Bytes) {
	return t.compression, t.compressionMinSize
}

// Defaults returns the defaults of the topic's configuration section, for config.WithTopic: its
// place, settings and compression.
func (t Topic[T]) Defaults() config.Topic {
	return config.Topic{
		Stream: t.stream, Name: t.name,
		Partitions: max(t.settings.Partitions, 1), Retention: config.Retention(t.settings.Retention), MaxSize: config.Bytes(t.settings.MaxSize),
		Compression: t.compression, CompressionMinSize: t.compressionMinSize,
	}
}

// Configured returns a copy of the topic as its section of cfg says, or the topic itself when cfg has
// no such section. It panics like New for what config.Config.Validate refuses.
func (t Topic[T]) Configured(cfg config.Topics) Topic[T] {
	c, ok := cfg.Declared[t.Section()]
	if !ok {
		return t
	}
	section := t.Section() // At may change the name
	return t.At(c.Stream, c.Name).With(
		Section[T](section),
		WithSettings[T](Settings{Partitions: c.Partitions, Retention: c.Retention.Duration(), MaxSize: uint64(max(c.MaxSize, 0))}),
		Compress[T](c.Compression, c.CompressionMinSize),
	)
}
