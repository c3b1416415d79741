package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// tailOptions say which messages of a topic are shown.
type tailOptions struct {
	since, group string
	partitions   []uint
	filters      []string
	follow       bool
}

func (o *tailOptions) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.since, "since", "", sinceHelp+" (default: first)")
	f.StringVar(&o.group, "group", "", "begin at the first message that this consumer `group` has not committed")
	f.UintSliceVar(&o.partitions, "partition", nil, "only this partition; several are separated by commas")
	f.StringArrayVar(&o.filters, "filter", nil, "only messages with this user `header=value`, or with this header; may be repeated")
	f.BoolVarP(&o.follow, "follow", "f", false, "wait for new messages at the end of the log, until ctrl-C")
	completeFlag(c, "since", fixed("first", "end", "1h", "1d"))
}

// tail shows the messages of a topic that the options select, of all partitions in the order of time,
// and with --follow those that come. show reports whether it has shown a message. It returns the
// number of messages shown before it follows.
func (a *app) tail(ctx context.Context, cluster config.Cluster, t topicRef, o tailOptions, show func(message) (bool, error)) (int, error) {
	if o.since != "" && o.group != "" {
		return 0, usagef("--since and --group both say where to begin")
	}
	since, err := parseSince(o.since, time.Now())
	if err != nil {
		return 0, err
	}
	filter, err := parseHeaderFilter(o.filters)
	if err != nil {
		return 0, err
	}
	r, err := a.openReader(ctx, cluster, t, readOptions{start: since, group: o.group, partitions: o.partitions})
	if err != nil {
		return 0, err
	}
	defer r.close(ctx)
	shown := 0
	each := func(m message) error {
		if !filter.matches(m) {
			return nil
		}
		ok, err := show(m)
		if ok {
			shown++
		}
		return err
	}
	err = r.readToEnd(ctx, each)
	if err == nil && o.follow {
		err = r.follow(ctx, a.connectionReporter(cluster.Iggy), each)
	}
	if o.follow && isInterrupt(ctx, err) {
		return shown, nil // an interrupt is the way to end it
	}
	return shown, err
}

// reportUndecodable prints that a message can't be decoded.
func (a *app) reportUndecodable(t topicRef, m message, cause error) error {
	_, err := fmt.Fprintf(a.err, "fetchbox-iggy-cli: %s/%s: can't be decoded: %s\n", printable(t.String()), m.position(), printable(oneLine(cause.Error())))
	return err
}

// showsJSON reports whether messages are shown as JSON: when it is asked for, and where the output is
// not a terminal.
func (a *app) showsJSON(outputChosen bool) bool {
	_, atTerminal := terminal(a.streams.Out)
	return a.json() || !outputChosen && !atTerminal
}

func (a *app) tailCommand() *cobra.Command {
	var o tailOptions
	var p payloadOptions
	c := &cobra.Command{
		Use:   "tail STREAM/TOPIC",
		Short: "Show the messages of a topic",
		Long: `Show the messages of a topic, of all partitions in the order of time.

At a terminal each message is a line of text: time, partition/offset, user headers and
payload. Elsewhere, and with --output json, it is a line of JSON, which publish
--format json reads. The command ends at the end of the log, or with --follow at ctrl-C.
It joins no consumer group and commits nothing, also with --group.

A payload is shown in the first of these forms that fits: the protobuf type that its
header message-type names, JSON, text, hex. The types of FetchBox and of --proto are
known. --payload or --type sets one form for all payloads; a payload that does not fit
is reported. At a terminal, without these flags, only the beginning of a long payload is
shown.

` + topicHelp,
		Example: `  fetchbox-iggy-cli tail shop/orders --since 1h --filter tenant=acme --follow
  fetchbox-iggy-cli tail shop/orders --group billing --partition 3
  fetchbox-iggy-cli tail shop/orders --proto shop/v1/orders.proto --type Order -o json | jq .payload.total`,
		Args:              oneTopic,
		ValidArgsFunction: a.topicArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.tailMessages(cmd.Context(), args[0], o, p, a.showsJSON(cmd.Flags().Changed("output")))
		},
	}
	o.addFlags(c)
	p.addFlags(c)
	completeFlag(c, "group", a.completeBy(completeGroups))
	completeFlag(c, "partition", a.completeBy(completePartitions))
	return c
}

// tailMessages shows messages of any kind.
func (a *app) tailMessages(ctx context.Context, name string, o tailOptions, p payloadOptions, asJSON bool) error {
	decoder, err := p.decoder(ctx)
	if err != nil {
		return err
	}
	cluster, err := a.loadCluster()
	if err != nil {
		return err
	}
	t, err := parseTopic(cluster.Topics, name)
	if err != nil {
		return err
	}
	_, atTerminal := terminal(a.streams.Out)
	limited := atTerminal && decoder.form == payloadAuto
	paint := newPainter(a.streams.Out)
	shown, err := a.tail(ctx, cluster, t, o, func(m message) (bool, error) {
		payload, fault := decoder.decode(m)
		switch {
		case asJSON:
			view, err := newMessageView(m, payload, fault)
			if err != nil {
				return false, err
			}
			line, err := encodeJSON(view)
			if err == nil {
				_, err = a.out.Write(line)
			}
			return true, err
		case fault != nil:
			if err := a.reportUndecodable(t, m, fault); err != nil || payload.form == "" {
				return false, err
			}
		}
		_, err := fmt.Fprintln(a.out, messageLine(paint, m, payload.line(len(m.payload), limited)))
		return true, err
	})
	if err == nil && shown == 0 && !o.follow && atTerminal {
		fmt.Fprintln(a.err, "no messages")
	}
	return err
}

// messageLine is a message as a line of text.
func messageLine(paint painter, m message, payload string) string {
	var b strings.Builder
	b.WriteString(paint.paint(grey, shortTime(m.Timestamp)) + " " + paint.paint(cyan, m.position()) + " ")
	for _, h := range m.headers {
		switch h.Key {
		case topic.HeaderContentType, topic.HeaderContentEncoding, topic.HeaderMessageType, topic.HeaderTraceParent, topic.HeaderTraceState:
			continue // --output json shows them
		}
		b.WriteString(paint.paint(grey, printable(h.Key)+"=") + printable(h.Value) + " ")
	}
	b.WriteString(payload)
	return b.String()
}
