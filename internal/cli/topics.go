package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// topicNames are the sections of FetchBox's topics in the configuration.
var topicNames = []string{jobs.Tasks.Section(), jobs.Status.Section(), jobs.Logs.Section(), jobs.DeadLetters.Section()}

// topicRef is a topic on the server.
type topicRef struct {
	section      string // empty for a topic that is not FetchBox's
	stream, name string
}

// findTopic finds a topic by its section in the configuration or its name in the stream of the tasks.
func findTopic(t config.Topics, name string) topicRef {
	for _, section := range topicNames {
		if c := t.Declared[section]; name == section || name == c.Name {
			return topicRef{section, c.Stream, c.Name}
		}
	}
	return topicRef{stream: t.Declared[topicNames[0]].Stream, name: name}
}

const topicHelp = "`name` of the topic: tasks, status, logs, dlq, or any topic of the stream"

// groupName is the chosen group, or else the configured group of the topic's consumer.
func groupName(cluster config.Cluster, t topicRef, chosen string) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	c, ok := cluster.Consumers[t.section]
	if !ok {
		return "", usagef("--group says which consumer group is meant")
	}
	return c.Group, nil
}

// parsePartitions checks that the chosen partitions exist. None means all.
func parsePartitions(chosen []uint, existing []uint32) ([]uint32, error) {
	if len(chosen) == 0 {
		return existing, nil
	}
	var partitions []uint32
	for _, p := range chosen {
		if !slices.Contains(existing, uint32(p)) {
			return nil, fmt.Errorf("there is no partition %d; there are %s", p, joinNumbers(existing))
		}
		partitions = append(partitions, uint32(p))
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
