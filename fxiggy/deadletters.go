package fxiggy

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/internal/telemetry"
)

// defaultSink is where the dead letters of a consumer go unless the application provides its
// consumer.DeadLetters[T]. Each consumer has one under a name of its own.
type defaultSink struct{ sink any }

// deadLettersOf returns the dead letters of the application, or else the default ones; nil for none.
func deadLettersOf[T any](provided consumer.DeadLetters[T], s defaultSink) (consumer.DeadLetters[T], error) {
	if provided != nil || s.sink == nil {
		return provided, nil
	}
	d, ok := s.sink.(consumer.DeadLetters[T])
	if !ok {
		return nil, fmt.Errorf("DeadLettersTo: a %T does not implement %s", s.sink, reflect.TypeFor[consumer.DeadLetters[T]]())
	}
	return d, nil
}

// sinkKey is how a consumer asks Fx for its consumer.DeadLetters[T].
type sinkKey struct {
	consumer string // with the cluster's name in front
	typ      string
	name     string // of the value
}

func sinkKeyOf[T any](cluster, consumerName, name string) sinkKey {
	return sinkKey{consumer: telemetry.QualifiedName(cluster, consumerName), typ: reflect.TypeFor[consumer.DeadLetters[T]]().String(), name: name}
}

// described is the value as the application writes it.
func (k sinkKey) described() string {
	if k.name == "" {
		return k.typ + " without a name"
	}
	return fmt.Sprintf("%s name:%q", k.typ, k.name)
}

// checkSinks returns an error for each dead letter sink that the application provides and nothing
// uses, although consumers of its type exist: its name is not that of a consumer, which would skip
// its failed messages. Consumers ask for their sinks optionally, so only Fx's graph knows those
// that none asks for.
func checkSinks(graph fx.DotGraph, asked []sinkKey) error {
	consumers := map[string][]sinkKey{}
	for _, k := range asked {
		consumers[k.typ] = append(consumers[k.typ], k)
	}
	var errs []error
	for line := range strings.Lines(string(graph)) {
		quoted, _, isValue := strings.Cut(strings.TrimSpace(line), " [label=")
		key, err := strconv.Unquote(quoted)
		if !isValue || err != nil || strings.Contains(string(graph), " -> "+quoted) {
			continue
		}
		typ, name, _ := strings.Cut(strings.TrimSuffix(key, "]"), "[name=")
		if key == typ+"]" {
			typ = key
		}
		if len(consumers[typ]) > 0 {
			errs = append(errs, unusedSink(sinkKey{typ: typ, name: name}, consumers[typ]))
		}
	}
	return errors.Join(errs...)
}

func unusedSink(unused sinkKey, consumers []sinkKey) error {
	var wanted []string
	for _, k := range consumers {
		wanted = append(wanted, fmt.Sprintf("consumer %s uses %s", k.consumer, k.described()))
	}
	return fmt.Errorf("fxiggy: no consumer uses the provided %s: %s", unused.described(), strings.Join(wanted, ", "))
}

// addDeadLetters notes that the dead letters of a consumer of one topic go to another topic. It returns
// an error when they would come back to the first one: a message that always fails would be read and
// written without end.
func (c *cluster) addDeadLetters(read, letters string) error {
	c.deadLetters[read] = append(c.deadLetters[read], letters)
	if path := c.deadLetterPath(letters, read, map[string]bool{}); path != nil {
		return fmt.Errorf("dead letters would return to their topic: %s -> %s", read, strings.Join(path, " -> "))
	}
	return nil
}

// deadLetterPath returns the topics of dead letters on the way from one topic to another, both included;
// nil when there is no way.
func (c *cluster) deadLetterPath(from, to string, seen map[string]bool) []string {
	if from == to {
		return []string{to}
	}
	seen[from] = true
	for _, next := range c.deadLetters[from] {
		if seen[next] {
			continue
		}
		if path := c.deadLetterPath(next, to, seen); path != nil {
			return append([]string{from}, path...)
		}
	}
	return nil
}
