// Package overview shows operators FetchBox's topics on the server: what they
// hold, and how far their consumer groups are behind.
package overview

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// fresh is how long an answer is used again: the server is asked several times
// for each, and many may watch.
const fresh = time.Second

// Topic is one topic.
type Topic struct {
	Stream     string  `json:"stream"`
	Name       string  `json:"name"`
	Partitions uint32  `json:"partitions"`
	Messages   uint64  `json:"messages"`
	Bytes      uint64  `json:"bytes"`
	Groups     []Group `json:"groups"`
}

// Group is a consumer group of a topic.
type Group struct {
	Name string `json:"name"`
	// Members is how many partitions each member owns.
	Members []int  `json:"members"`
	Lag     uint64 `json:"lag"`
}

// Overview asks the server. It is safe for concurrent use.
type Overview struct {
	admin *admin.Admin
	spec  admin.Spec

	turn chan struct{} // held while asking
	// Guarded by turn:
	last  []Topic
	taken time.Time
}

// New makes an Overview of the topics and groups that a cluster's
// configuration names.
func New(a *admin.Admin, cluster config.Cluster) *Overview {
	consumers := maps.Clone(cluster.Consumers)
	for name, c := range consumers {
		c.FairAssignment = false // the group that announces new shares has no lag
		consumers[name] = c
	}
	cluster.Consumers = consumers
	return &Overview{admin: a, spec: admin.SpecOf(cluster), turn: make(chan struct{}, 1)}
}

// Topics are the topics as they were at most a second ago. What doesn't exist
// is left out.
func (o *Overview) Topics(ctx context.Context) ([]Topic, error) {
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if time.Since(o.taken) < fresh {
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
	o.last, o.taken = topics, time.Now()
	return topics, nil
}

func (o *Overview) topic(ctx context.Context, spec admin.TopicSpec) (Topic, error) {
	found, _, err := o.admin.Topic(ctx, spec.Stream, spec.Name)
	if err != nil {
		return Topic{}, err
	}
	topic := Topic{
		Stream: found.Stream, Name: found.Name, Partitions: found.Partitions, Messages: found.Messages, Bytes: found.Bytes,
		Groups: []Group{},
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
