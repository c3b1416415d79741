package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// topicNames are the names of FetchBox's topics in the configuration.
var topicNames = []string{"tasks", "status", "logs", "dlq"}

// topicSection is the configuration of one of topicNames.
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

// findTopic finds a topic by its name in the configuration or in the stream, and returns both
// names. short is empty for a topic that is not FetchBox's.
func findTopic(t config.Topics, name string) (short, full string) {
	for _, short := range topicNames {
		if full := topicSection(t, short).Name; name == short || name == full {
			return short, full
		}
	}
	return "", name
}

const topicHelp = "`name` of the topic: tasks, status, logs, dlq, or any topic of the stream"

// groupName is the chosen group, or else the configured group of the topic's consumer.
func groupName(cluster config.Cluster, short, chosen string) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	c, ok := cluster.Consumers[short]
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
