package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// topicNames are FetchBox's topics, as the configuration calls them.
var topicNames = []string{"tasks", "status", "logs", "dlq"}

// topicSection is the section of one of topicNames.
func topicSection(t config.Topics, short string) config.Topic {
	switch short {
	case "tasks":
		return t.Tasks
	case "status":
		return t.Status
	case "logs":
		return t.Logs
	default:
		return t.DLQ
	}
}

// findTopic takes a topic by its name in the configuration or in the stream, and
// returns both. The first is empty for a topic that is not FetchBox's.
func findTopic(t config.Topics, name string) (short, full string) {
	for _, short := range topicNames {
		if full := topicSection(t, short).Name; name == short || name == full {
			return short, full
		}
	}
	return "", name
}

const topicHelp = "`name` of the topic: tasks, status, logs, dlq, or any topic of the stream"

// groupOf is the group that the configuration gives a topic's consumer.
func groupOf(cluster config.Cluster, short, chosen string) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	c, ok := cluster.Consumers[short]
	if !ok {
		return "", usagef("--group says which consumer group is meant")
	}
	return c.Group, nil
}

// parsePartitions reads a list of partitions that must exist.
func parsePartitions(chosen []uint, have []uint32) ([]uint32, error) {
	if len(chosen) == 0 {
		return have, nil
	}
	var partitions []uint32
	for _, p := range chosen {
		if !slices.Contains(have, uint32(p)) {
			return nil, fmt.Errorf("there is no partition %d; there are %s", p, joinNumbers(have))
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
