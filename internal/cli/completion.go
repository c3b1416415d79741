package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
)

// completionTimeout is how long the completion of a word may ask the server. Nothing is completed
// when it is away.
const completionTimeout = 2 * time.Second

// serverCompletion finds the completions of a word by the server.
type serverCompletion func(ctx context.Context, server *admin.Admin, cluster config.Cluster, args []string, word string) ([]cobra.Completion, error)

// completeBy returns the completion function of cobra. Faults complete nothing.
func (a *app) completeBy(find serverCompletion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		directive := cobra.ShellCompDirectiveNoFileComp
		var found []cobra.Completion
		_ = a.withAdmin(func(cluster config.Cluster, server *admin.Admin) (err error) {
			found, err = find(ctx, server, cluster, args, word)
			return err
		})
		for _, one := range found {
			if name, _, _ := strings.Cut(one, "\t"); strings.HasSuffix(name, "/") {
				directive |= cobra.ShellCompDirectiveNoSpace // a stream: its topic follows
			}
		}
		return found, directive
	}
}

// topicArgument completes the first argument of a command, a topic.
func (a *app) topicArgument() cobra.CompletionFunc {
	return a.completeBy(func(ctx context.Context, server *admin.Admin, cluster config.Cluster, args []string, word string) ([]cobra.Completion, error) {
		if len(args) > 0 {
			return nil, nil
		}
		return a.completeTopics(ctx, server, cluster, args, word)
	})
}

// completeTopics completes the name of a topic: its stream first.
func (a *app) completeTopics(ctx context.Context, server *admin.Admin, cluster config.Cluster, _ []string, word string) ([]cobra.Completion, error) {
	var found []cobra.Completion
	if !strings.Contains(word, "/") {
		if a.isFetchBox() {
			for _, ref := range fetchboxTopics(cluster.Topics) {
				found = appendCompletion(found, word, ref.section, ref.String())
			}
		}
		streams, err := server.Streams(ctx)
		for _, s := range streams {
			found = appendCompletion(found, word, escapeStream(s.Name)+"/", plural(int(s.Topics), "topic"))
		}
		return found, err
	}
	scope, err := parseScope(cluster.Topics, word[:strings.Index(word, "/")+1])
	if err != nil {
		return nil, err
	}
	topics, err := server.Topics(ctx, scope.stream)
	for _, t := range topics {
		found = appendCompletion(found, word, refOf(t).String(),
			plural(int(t.Partitions), "partition")+", "+plural(int(t.Messages), "message"))
	}
	return found, err
}

// appendCompletion appends a completion that begins with the word.
func appendCompletion(all []cobra.Completion, word, completion, description string) []cobra.Completion {
	if !strings.HasPrefix(completion, word) {
		return all
	}
	if completion = printable(completion); description != "" {
		completion = cobra.CompletionWithDesc(completion, printable(description))
	}
	return append(all, completion)
}

// completeGroups completes a consumer group of the topics of the arguments.
func completeGroups(ctx context.Context, server *admin.Admin, cluster config.Cluster, args []string, word string) ([]cobra.Completion, error) {
	if len(args) == 0 {
		return nil, errors.New("the groups of which topic?")
	}
	topics, err := findTopics(ctx, server, cluster.Topics, args)
	if err != nil {
		return nil, err
	}
	var found []cobra.Completion
	for _, t := range refsOf(topics) {
		names, err := groupsOf(ctx, server, t)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			found = appendCompletion(found, word, name, t.String())
		}
	}
	return found, nil
}

// completePartitions completes a partition of the topic of the argument.
func completePartitions(ctx context.Context, server *admin.Admin, cluster config.Cluster, args []string, word string) ([]cobra.Completion, error) {
	if len(args) != 1 {
		return nil, errors.New("the partitions of which topic?")
	}
	ref, err := parseTopic(cluster.Topics, args[0])
	if err != nil {
		return nil, err
	}
	_, partitions, err := server.Topic(ctx, ref.stream, ref.name)
	var found []cobra.Completion
	before := word[:strings.LastIndex(word, ",")+1] // partitions before it in a list
	for _, p := range partitions {
		found = appendCompletion(found, word, before+fmt.Sprint(p.ID), plural(int(p.Messages), "message"))
	}
	return found, err
}

// letterArguments completes a topic of dead letters, and then at most limit of its positions in a
// state; 0 is no limit.
func (a *app) letterArguments(state string, limit int) cobra.CompletionFunc {
	topics := a.topicArgument()
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var found []cobra.Completion
		directive := cobra.ShellCompDirectiveNoFileComp
		if len(args) == 0 {
			found, directive = topics(cmd, args, word)
		}
		name, positions := splitLetterArgs(args)
		if len(args) == 0 && word != "" && !startsPosition(word) || limit > 0 && len(positions) >= limit {
			return found, directive
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		f := deadLetterFilter{state: state}
		quiet := *a
		quiet.err = io.Discard // without a progress bar
		letters, err := quiet.openDeadLetters(ctx, name)
		if err != nil {
			return found, directive
		}
		_ = letters.each(ctx, f, func(l deadLetter, _ deadLetterState) error {
			if !slices.Contains(positions, l.position()) {
				found = appendCompletion(found, word, l.position(), l.code+" "+shortTime(l.failedAt))
			}
			return nil
		})
		return found, directive
	}
}

// startsPosition reports whether a word may be the beginning of a position.
func startsPosition(word string) bool { return word[0] >= '0' && word[0] <= '9' }

// completeClusters completes a cluster of the configuration.
func (a *app) completeClusters(_ *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names, found []string
	a.cluster = "" // what is to be completed
	// The clusters are found also when something else in the configuration is wrong.
	_, _ = a.loadConfig(&names, func(*config.Config, config.Sources) error { return nil })
	for _, name := range names {
		found = appendCompletion(found, word, name, "")
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// complete completes the name of a type of the files.
func (o *typeOptions) complete(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	types, err := loadMessageTypes(cmd.Context(), o.files, o.importPaths)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, name := range types.names() {
		found = appendCompletion(found, word, name, "")
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeFlag registers the completion of a flag, which must exist.
func completeFlag(c *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err)
	}
}

// fixed completes one of these words.
func fixed(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}
