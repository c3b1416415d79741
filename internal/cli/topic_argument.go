package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// topicNames are the sections of FetchBox's topics in the configuration.
var topicNames = []string{jobs.Tasks.Section(), jobs.Status.Section(), jobs.Logs.Section(), jobs.DeadLetters.Section()}

// topicHelp describes the arguments that parseTopic accepts.
const topicHelp = `A topic is named STREAM/TOPIC, with %2F for a slash in the stream's name. tasks,
status, logs and dlq are FetchBox's topics as configured.`

// maxName is the largest size of a name in bytes, a limit of the protocol.
const maxName = 255

// topicRef is a topic on the server.
type topicRef struct {
	section      string // empty for a topic that is not FetchBox's
	stream, name string
}

// String is the topic as parseTopic reads it.
func (t topicRef) String() string { return escapeStream(t.stream) + "/" + t.name }

// escapeStream is the name of a stream as parseScope reads it.
func escapeStream(name string) string { return strings.ReplaceAll(name, "/", "%2F") }

// fetchboxTopics are FetchBox's topics where the configuration has them.
func fetchboxTopics(t config.Topics) []topicRef {
	refs := make([]topicRef, len(topicNames))
	for i, section := range topicNames {
		c := t.Declared[section]
		refs[i] = topicRef{section, c.Stream, c.Name}
	}
	return refs
}

// parseTopic parses an argument that names a topic.
func parseTopic(t config.Topics, text string) (topicRef, error) {
	ref, err := parseScope(t, text)
	if err == nil && ref.name == "" {
		err = usagef("%q is no topic: topics are named STREAM/TOPIC, or %s", text, joinWithOr(topicNames))
	}
	return ref, err
}

// parseScope parses an argument that names a topic, or all topics of a stream: then the name of the
// result is empty.
func parseScope(t config.Topics, text string) (topicRef, error) {
	stream, name, _ := strings.Cut(text, "/")
	stream = strings.ReplaceAll(stream, "%2F", "/")
	if stream == "" || len(stream) > maxName || len(name) > maxName {
		return topicRef{}, usagef("%q is no topic: the names of streams and topics have 1 to %d bytes", truncate(text, 80), maxName)
	}
	for _, ref := range fetchboxTopics(t) {
		if text == ref.section || stream == ref.stream && name == ref.name {
			return ref, nil
		}
	}
	return topicRef{stream: stream, name: name}, nil
}

// findTopics reads the topics that the arguments name, all of the server without an argument.
func findTopics(ctx context.Context, server *admin.Admin, t config.Topics, args []string) ([]admin.Topic, error) {
	var scopes []topicRef
	for _, arg := range args {
		scope, err := parseScope(t, arg)
		if err != nil {
			return nil, err
		}
		scopes = append(scopes, scope)
	}
	if len(args) == 0 {
		streams, err := server.Streams(ctx)
		if err != nil {
			return nil, nameWhatIsPermitted(err)
		}
		for _, s := range streams {
			scopes = append(scopes, topicRef{stream: s.Name})
		}
	}
	var topics []admin.Topic
	for _, scope := range scopes {
		found, err := topicsOf(ctx, server, scope)
		switch {
		case err == nil:
			topics = append(topics, found...)
		case len(args) > 0 || !errors.Is(err, iggyerr.ErrNotFound): // otherwise it was deleted meanwhile
			return nil, err
		}
	}
	return topics, nil
}

// topicsOf reads one topic, or all topics of a stream.
func topicsOf(ctx context.Context, server *admin.Admin, scope topicRef) ([]admin.Topic, error) {
	if scope.name == "" {
		return server.Topics(ctx, scope.stream)
	}
	t, _, err := server.Topic(ctx, scope.stream, scope.name)
	return []admin.Topic{t}, err
}

// nameWhatIsPermitted adds what to do to the error of a user who may not list all streams.
func nameWhatIsPermitted(err error) error {
	var status *iggyerr.StatusError
	if errors.As(err, &status) && status.Status == iggyerr.StatusUnauthorized {
		return fmt.Errorf("%w; name a stream or a topic", err)
	}
	return err
}

// parsePartitions checks that the chosen partitions exist. None means all.
func parsePartitions(chosen []uint, existing []uint32) ([]uint32, error) {
	if len(chosen) == 0 {
		return existing, nil
	}
	var partitions []uint32
	for _, p := range chosen {
		if uint64(p) > uint64(^uint32(0)) || !slices.Contains(existing, uint32(p)) {
			return nil, fmt.Errorf("there is no partition %d; there are %s", p, joinNumbers(existing))
		}
		if !slices.Contains(partitions, uint32(p)) {
			partitions = append(partitions, uint32(p))
		}
	}
	return partitions, nil
}

func joinNumbers(numbers []uint32) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = fmt.Sprint(n)
	}
	return strings.Join(words, ", ")
}
