package admin

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// Spec is the topics that an application needs on a server.
type Spec []TopicSpec

// TopicSpec is a topic, the settings with which it is created, and the consumer groups that read
// it.
type TopicSpec struct {
	Stream, Name string
	topic.Settings
	Groups []string
}

// String is "stream/name".
func (t TopicSpec) String() string { return transport.ObjectTopic(t.Stream, t.Name) }

// Of is the specification of a topic.
func Of[T any](t topic.Topic[T], groups ...string) TopicSpec {
	return TopicSpec{Stream: t.Stream(), Name: t.Name(), Settings: t.Settings(), Groups: groups}
}

// maxPartitions is the server's limit for one request (Iggy 0.8.0).
const maxPartitions = 1000

// validate refuses settings that the server refuses or misreads.
func (t TopicSpec) validate() error {
	var errs []error
	if t.Partitions > maxPartitions {
		errs = append(errs, fmt.Errorf("admin: %s: %d partitions: must be 1 to %d", t, t.Partitions, maxPartitions))
	}
	if r := t.Retention; r != 0 && r != topic.RetentionForever && r < time.Microsecond {
		errs = append(errs, fmt.Errorf("admin: %s: retention %v: must be 1µs or more, 0 for the server's default or topic.RetentionForever", t, r))
	}
	return errors.Join(errs...)
}

// merged has each topic once, with the groups of all its entries. It reports all faults at once.
func (s Spec) merged() (Spec, error) {
	var (
		all  Spec
		errs []error
	)
	for _, t := range s {
		t.Partitions = max(t.Partitions, 1)
		if err := transport.CheckNames("provision", "stream", t.Stream, "topic", t.Name); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, t.validate())
		for _, group := range t.Groups {
			errs = append(errs, transport.CheckNames("provision", "stream", t.Stream, "topic", t.Name, "group", group))
		}
		i := slices.IndexFunc(all, func(o TopicSpec) bool { return o.Stream == t.Stream && o.Name == t.Name })
		if i < 0 {
			t.Groups = slices.Clone(t.Groups)
			all = append(all, t)
			i = len(all) - 1
		} else if all[i].Settings != t.Settings {
			errs = append(errs, fmt.Errorf("admin: %s: is specified twice with different settings", t))
		}
		all[i].Groups = append(all[i].Groups, t.Groups...)
	}
	for i := range all {
		slices.Sort(all[i].Groups)
		all[i].Groups = slices.Compact(all[i].Groups)
	}
	return all, errors.Join(errs...)
}
