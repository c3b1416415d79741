package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

func (a *app) groupsCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "groups [STREAM | STREAM/TOPIC]...",
		Short: "List the consumer groups, with their members and their lag",
		Long: `List the consumer groups of all topics, of a stream or of topics, with the number of
members and the lag of each. lag shows each partition.

` + topicHelp,
		Example:           `  fetchbox-iggy-cli groups shop/orders`,
		ValidArgsFunction: a.completeBy(a.completeTopics),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.groups(cmd.Context(), args, all) },
	}
	c.Flags().BoolVar(&all, "all", false, "also the coordination groups (*"+config.CoordinationSuffix+")")
	return c
}

// groupView is a consumer group in JSON.
type groupView struct {
	admin.Group
	Members int    `json:"members"`
	Lag     uint64 `json:"lag"`
}

func (a *app) groups(ctx context.Context, args []string, all bool) error {
	return a.withAdmin(func(cluster config.Cluster, server *admin.Admin) error {
		topics, err := findTopics(ctx, server, cluster.Topics, args)
		if err != nil {
			return interruptedOr(ctx, err)
		}
		lags, err := readLags(ctx, server, refsOf(topics), func(group string) bool { return all || !isCoordination(group) })
		if err != nil {
			return interruptedOr(ctx, err)
		}
		return a.printGroups(lags)
	})
}

func (a *app) printGroups(lags []admin.Lag) error {
	t := table{header: []string{"topic", "group", "members", "lag"}}
	encoder := json.NewEncoder(a.out)
	for _, l := range lags {
		view := groupView{l.Group, len(l.Members), l.Total()}
		if a.json() {
			if err := encoder.Encode(view); err != nil {
				return err
			}
			continue
		}
		members, lag := cell{text: fmt.Sprint(view.Members)}, cell{text: fmt.Sprint(view.Lag)}
		if view.Lag > 0 {
			lag.colour = yellow
			if view.Members == 0 {
				members.colour = red
			}
		}
		t.row(printable(topicRef{stream: l.Stream, name: l.Topic}.String()), printable(l.Name), members, lag)
	}
	switch {
	case a.json():
		return nil
	case len(lags) == 0:
		_, err := fmt.Fprintln(a.out, "no consumer groups")
		return err
	}
	return t.print(a.out, a.streams.Out)
}

// isCoordination reports whether a group is one by which the members of another one agree.
func isCoordination(group string) bool { return strings.HasSuffix(group, config.CoordinationSuffix) }

func refOf(t admin.Topic) topicRef { return topicRef{stream: t.Stream, name: t.Name} }

func refsOf(topics []admin.Topic) []topicRef {
	refs := make([]topicRef, len(topics))
	for i, t := range topics {
		refs[i] = refOf(t)
	}
	return refs
}

// groupsOf lists the names of a topic's groups, without those by which members agree.
func groupsOf(ctx context.Context, server *admin.Admin, t topicRef) ([]string, error) {
	groups, err := server.Groups(ctx, t.stream, t.name)
	var names []string
	for _, g := range groups {
		if !isCoordination(g.Name) {
			names = append(names, g.Name)
		}
	}
	return names, err
}

// readLags reads the lags of the chosen groups of topics.
func readLags(ctx context.Context, server *admin.Admin, topics []topicRef, chosen func(group string) bool) ([]admin.Lag, error) {
	var lags []admin.Lag
	for _, t := range topics {
		groups, err := server.Groups(ctx, t.stream, t.name)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			if !chosen(g.Name) {
				continue
			}
			lag, err := server.Lag(ctx, g.Group)
			switch {
			case errors.Is(err, iggyerr.ErrNotFound): // it was deleted meanwhile
			case err != nil:
				return nil, err
			default:
				lags = append(lags, lag)
			}
		}
	}
	return lags, nil
}

// chooseGroup is the chosen group, or else the configured group of the topic's consumer.
func chooseGroup(ctx context.Context, server *admin.Admin, cluster config.Cluster, t topicRef, chosen string) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	if c, ok := cluster.Consumers[t.section]; ok {
		return c.Group, nil
	}
	names, err := groupsOf(ctx, server, t)
	if err != nil {
		return "", err
	}
	return "", usagef("--group says which consumer group of %s is meant%s", t, ifAny("; there are ", names))
}
