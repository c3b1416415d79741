package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

func (a *app) topicsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "topics [STREAM | STREAM/TOPIC]...",
		Short: "List the topics of the server, or the partitions of one",
		Long: `List the topics of the server or of a stream. A single topic is shown with its
partitions: the offsets of its oldest and its newest message.

` + topicHelp,
		Example: `  fetchbox-iggy-cli topics
  fetchbox-iggy-cli topics shop
  fetchbox-iggy-cli topics shop/orders`,
		ValidArgsFunction: a.completeBy(a.completeTopics),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.topics(cmd.Context(), args) },
	}
}

func (a *app) topics(ctx context.Context, args []string) error {
	return a.withAdmin(func(cluster config.Cluster, server *admin.Admin) error {
		if len(args) == 1 {
			scope, err := parseScope(cluster.Topics, args[0])
			if err != nil {
				return err
			}
			if scope.name != "" {
				return a.showTopic(ctx, server, scope)
			}
		}
		topics, err := findTopics(ctx, server, cluster.Topics, args)
		if err != nil {
			return interruptedOr(ctx, err)
		}
		return a.printTopics(topics)
	})
}

// withAdmin calls fn with the configuration of the cluster and an Admin for it.
func (a *app) withAdmin(fn func(config.Cluster, *admin.Admin) error) error {
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	server, err := a.newAdmin(cluster)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	return fn(cluster, server)
}

func (a *app) printTopics(topics []admin.Topic) error {
	if a.json() {
		encoder := json.NewEncoder(a.out)
		for _, t := range topics {
			if err := encoder.Encode(t); err != nil {
				return err
			}
		}
		return nil
	}
	if len(topics) == 0 {
		_, err := fmt.Fprintln(a.out, "no topics")
		return err
	}
	t := table{header: []string{"topic", "partitions", "messages", "size", "retention", "max size"}}
	for _, one := range topics {
		t.row(topicCells(one)...)
	}
	return t.print(a.out, a.streams.Out)
}

func topicCells(t admin.Topic) []any {
	return []any{printable(refOf(t).String()), t.Partitions, t.Messages, sizeText(t.Bytes), retentionText(t.Retention), maxSizeText(t.MaxSize)}
}

func retentionText(d time.Duration) string {
	switch d {
	case topic.RetentionForever:
		return "for ever"
	case 0:
		return "default"
	}
	return config.Retention(d).String()
}

func maxSizeText(size uint64) string {
	if size == 0 {
		return "unlimited"
	}
	return sizeText(size)
}

// partitionView is a partition in JSON.
type partitionView struct {
	admin.Partition
	// First is the offset of the oldest message, nil without one.
	First *uint64 `json:"first,omitempty"`
}

func (a *app) showTopic(ctx context.Context, server *admin.Admin, ref topicRef) error {
	about, partitions, err := server.Topic(ctx, ref.stream, ref.name)
	if err != nil {
		return interruptedOr(ctx, err)
	}
	views := make([]partitionView, len(partitions))
	for i, p := range partitions {
		views[i].Partition = p
		first, found, err := server.OffsetAt(ctx, ref.stream, ref.name, p.ID, time.Unix(0, 0))
		if err != nil {
			return interruptedOr(ctx, err)
		}
		if found {
			views[i].First = &first
		}
	}
	if a.json() {
		return json.NewEncoder(a.out).Encode(struct {
			admin.Topic
			List []partitionView `json:"partition_list"`
		}{about, views})
	}
	if err := a.printTopics([]admin.Topic{about}); err != nil {
		return err
	}
	t := table{header: []string{"partition", "messages", "first", "current"}}
	for _, v := range views {
		first := "-"
		if v.First != nil {
			first = fmt.Sprint(*v.First)
		}
		t.row(v.ID, v.Messages, first, offsetText(v.Current, v.Messages > 0 || v.Current > 0))
	}
	if _, err := fmt.Fprintln(a.out); err != nil {
		return err
	}
	return t.print(a.out, a.streams.Out)
}
