// Package overview reads the state of FetchBox's topics from the server: their size, and the lag of
// their consumer groups.
package overview

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
)

// cacheTTL is how long a result is reused. Each result takes several requests to the server, and
// several operators may watch.
const cacheTTL = time.Second

// Topic is the state of a topic.
type Topic struct {
	Stream     string  `json:"stream"`
	Name       string  `json:"name"`
	Partitions uint32  `json:"partitions"`
	Messages   uint64  `json:"messages"`
	Bytes      uint64  `json:"bytes"`
	Groups     []Group `json:"groups"`
}

// Group is the state of a consumer group.
type Group struct {
	Name string `json:"name"`
	// Members holds the number of assigned partitions of each member.
	Members []int  `json:"members"`
	Lag     uint64 `json:"lag"`
}

// Overview reads topics and groups from the server. It is safe for concurrent use.
type Overview struct {
	admin *admin.Admin
	spec  admin.Spec

	sem     chan struct{} // held during requests to the server; guards the fields below
	last    []Topic
	fetched time.Time
}

// New returns an Overview of the topics and groups that the cluster configuration names.
func New(a *admin.Admin, cluster config.Cluster) *Overview {
	consumers := maps.Clone(cluster.Consumers)
	for name, c := range consumers {
		c.FairAssignment = false // the coordination group has no lag
		consumers[name] = c
	}
	cluster.Consumers = consumers
	return &Overview{admin: a, spec: jobs.Spec(cluster), sem: make(chan struct{}, 1)}
}

// Topics returns the topics as they were at most a second ago, without those that don't exist.
func (o *Overview) Topics(ctx context.Context) ([]Topic, error) {
	select {
	case o.sem <- struct{}{}:
		defer func() { <-o.sem }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if time.Since(o.fetched) < cacheTTL {
		return o.last, nil
	}
	topics := []Topic{}
	for _, spec := range o.spec {
		topic, err := o.topic(ctx, spec)
		if errors.Is(err, iggyerr.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		topics = append(topics, topic)
	}
	o.last, o.fetched = topics, time.Now()
	return topics, nil
}

func (o *Overview) topic(ctx context.Context, spec admin.TopicSpec) (Topic, error) {
	found, _, err := o.admin.Topic(ctx, spec.Stream, spec.Name)
	if err != nil {
		return Topic{}, err
	}
	topic := Topic{
		Stream: found.Stream, Name: found.Name, Partitions: found.Partitions,
		Messages: found.Messages, Bytes: found.Bytes, Groups: []Group{},
	}
	for _, name := range spec.Groups {
		lag, err := o.admin.Lag(ctx, admin.Group{Stream: spec.Stream, Topic: spec.Name, Name: name})
		if errors.Is(err, iggyerr.ErrNotFound) {
			continue
		}
		if err != nil {
			return Topic{}, err
		}
		topic.Groups = append(topic.Groups, Group{Name: name, Members: lag.Members, Lag: lag.Total()})
	}
	return topic, nil
}
