package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

var replayStates = []string{stateOpen, stateDropped, stateReplayed}

func (a *app) dlqReplayCommand() *cobra.Command {
	var o selectionOptions
	c := &cobra.Command{
		Use:   "replay [STREAM/TOPIC] [POSITION...]",
		Short: "Publish the messages of dead letters again",
		Long: `Publish the messages of dead letters again, selected by position or by filters.

A message goes to its former topic and partition, with its former headers and the
header replay-of, which names its dead letter. FetchBox's tasks go to the configured
topic of tasks.

Each dead letter is claimed before its message is sent, and marked afterwards. So replay
may be repeated after any failure: a dead letter that was replayed is left out, and two
people never replay the same one. When an earlier run ended between the claim and the
mark, replay looks for the message on its topic before it sends it again. ctrl-C waits
for the messages in flight, and prints what was done.

A message that could not be decoded is skipped. With --undecoded it is sent byte for
byte; use this when its consumers can decode it.

` + topicHelp,
		Example: `  fetchbox-iggy-cli dlq replay shop/orders.billing.dlq --since 1d --dry-run
  fetchbox-iggy-cli dlq replay --code 'DOWNLOAD_*' --since 1d
  fetchbox-iggy-cli dlq replay 0/12 1/3 --yes`,
		ValidArgsFunction: a.letterArguments(stateOpen, 0),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, positions := splitLetterArgs(args)
			o.filter.positions = positions
			return a.dlqReplay(cmd.Context(), name, o)
		},
	}
	o.addFlags(c, stateOpen, replayStates...)
	c.Flags().BoolVar(&o.ignorePartition, "ignore-partition", false, "also messages whose partition is gone, to the partition of the stored key or to any")
	c.Flags().BoolVar(&o.undecoded, "undecoded", false, "also messages that could not be decoded, byte for byte")
	return c
}

// ReplayCounts counts the results of a replay by dead letter.
type ReplayCounts struct {
	// Replayed counts those whose messages were published.
	Replayed int `json:"replayed"`
	// Found counts those that an earlier run replayed and did not mark.
	Found int `json:"found"`
	// Claimed counts those that another run has claimed meanwhile.
	Claimed int `json:"claimed"`
	// Failed counts those whose messages were surely not stored.
	Failed int `json:"failed"`
	// Unknown counts those whose messages were sent and not confirmed.
	Unknown int `json:"unknown"`
	// Unfit holds the positions of those that can't be replayed.
	Unfit []string `json:"unfit,omitempty"`
	// NotTried counts the selected ones for which nothing was done, after a failure or an interrupt.
	NotTried int `json:"not_tried,omitempty"`
	// Interrupted is set after an interrupt.
	Interrupted bool `json:"interrupted,omitempty"`
}

func (a *app) dlqReplay(ctx context.Context, name string, o selectionOptions) error {
	selected, err := a.selectLetters(ctx, name, o, "replay", replayStates)
	if err != nil || selected == nil {
		return err
	}
	defer selected.close(ctx)
	counts, err := a.replay(ctx, selected, o)
	return errors.Join(err, a.printReplayed(counts))
}

// replay replays the selected dead letters.
func (a *app) replay(ctx context.Context, selected *selection, o selectionOptions) (ReplayCounts, error) {
	topics := jobs.FromConfig(selected.cluster.Topics)
	run := replayRun{
		selection: selected, from: o.filter.state,
		replayer: replayer{selected.producer, topics, producer.For(selected.producer, topics.Tasks), o.ignorePartition},
	}
	wanted := map[string]bool{}
	for _, l := range selected.selected {
		if l.unfit != "" {
			fmt.Fprintf(a.err, "fetchbox-iggy-cli: %s is skipped: %s\n", l.position, l.unfit)
			run.total.Unfit = append(run.total.Unfit, l.position)
			continue
		}
		wanted[l.key] = true
	}
	bar := newProgressBar(a.err, "replayed", int64(len(wanted)))
	done := 0
	var chunk []deadLetter
	size := 0
	flush := func() error {
		defer func() { chunk, size = nil, 0 }()
		err := run.chunk(ctx, chunk)
		done += len(chunk)
		bar.update(int64(done), run.total.Replayed+run.total.Found)
		return err
	}
	failure := selected.each(ctx, o.filter, func(l deadLetter, _ deadLetterState) error {
		if !wanted[l.key] {
			return nil
		}
		chunk = append(chunk, l)
		size += len(l.payload)
		if len(chunk) == maxChunkMessages || size >= maxChunkBytes {
			return flush()
		}
		return nil
	})
	if failure == nil && len(chunk) > 0 {
		failure = flush()
	}
	bar.clear()
	run.total.Interrupted = interrupted(ctx) != nil
	run.total.NotTried = len(wanted) - run.total.tried()
	return run.total, failure
}

// tried is the number of dead letters for which something was done.
func (c ReplayCounts) tried() int { return c.Replayed + c.Found + c.Claimed + c.Failed + c.Unknown }

func (a *app) printReplayed(r ReplayCounts) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(r)
	}
	text := "replayed " + plural(r.Replayed, "dead letter")
	for _, more := range []struct {
		n    int
		text string
	}{
		{r.Found, "were replayed by an earlier run"},
		{r.Claimed, "claimed by another run"},
		{len(r.Unfit), "skipped, since they can't be replayed"},
		{r.Failed, "failed, surely not replayed"},
		{r.Unknown, "unknown: sent, but not confirmed; replay again in 5 minutes to find out"},
		{r.NotTried, "not tried"},
	} {
		if more.n > 0 {
			text += fmt.Sprintf("; %d %s", more.n, more.text)
		}
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

// replayer publishes the messages of dead letters.
type replayer struct {
	producer *producer.Producer
	topics   jobs.Topics
	tasks    *producer.Publisher[*jobspb.DownloadTask]
	// ignorePartition has messages without a stored key go to any partition, not to their former one.
	ignorePartition bool
}

// replayRun is one run of replay.
type replayRun struct {
	*selection
	replayer replayer
	from     string // the state of the dead letters
	total    ReplayCounts
}

// claimedLetter is a dead letter that this run has claimed, and the id with which its message is sent.
type claimedLetter struct {
	deadLetter
	id      [16]byte
	replays int // how often it was replayed before
}

// chunk claims dead letters, publishes the messages of those that it got, and marks them. When ctx
// ends, it continues for the grace period.
func (r *replayRun) chunk(ctx context.Context, letters []deadLetter) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	bounded, cancel := withGracePeriod(ctx)
	defer cancel()
	// The work must end before the claims expire.
	bounded, stop := context.WithTimeout(bounded, claimDuration-time.Minute)
	defer stop()

	claimed, unresolved, err := r.claim(bounded, letters)
	if err != nil {
		return err
	}
	stored, err := r.findReplayed(bounded, unresolved, claimed)
	if err != nil {
		return err
	}
	outcomes, firstErr := r.publish(bounded, claimed, stored)
	var marks []mark
	for _, l := range claimed {
		m := mark{Letter: l.key, Position: l.position(), Mark: markReplayed}
		switch {
		case stored[l.id]:
			r.total.Found++
		case outcomes[l.id] == producer.Confirmed:
			r.total.Replayed++
		case outcomes[l.id] == producer.Unknown:
			r.total.Unknown++
			continue // the claim stays unresolved
		default:
			r.total.Failed++
			m.Mark = markRelease
		}
		marks = append(marks, m)
	}
	if len(marks) > 0 {
		if err := r.marks.write(bounded, r.producer, marks); err != nil {
			return errors.Join(firstErr, err)
		}
	}
	return firstErr
}

// claim claims dead letters. It returns those that this run has got, and since when earlier runs may
// have sent their messages; the zero time when none has.
func (r *replayRun) claim(ctx context.Context, letters []deadLetter) (claimed []claimedLetter, unresolved time.Time, err error) {
	claims := make([]mark, len(letters))
	for i, l := range letters {
		claims[i] = mark{Letter: l.key, Position: l.position(), Mark: markClaim, From: r.from}
	}
	if err := r.marks.write(ctx, r.producer, claims); err != nil {
		return nil, unresolved, err
	}
	if err := r.marks.update(ctx, r.app, r.cluster, nil); err != nil {
		return nil, unresolved, err
	}
	for _, l := range letters {
		s := r.marks.state(l.key)
		if s.state != stateClaimed || s.claimedBy != r.marks.run {
			r.total.Claimed++
			continue
		}
		claimed = append(claimed, claimedLetter{l, deadletter.ReplayID(l.key, s.replays), s.replays})
		if at := s.unresolvedSince; at.Before(s.since) && (unresolved.IsZero() || at.Before(unresolved)) {
			unresolved = at
		}
	}
	return claimed, unresolved, nil
}

// findReplayed looks for messages that earlier runs have sent since a time.
func (r *replayRun) findReplayed(ctx context.Context, since time.Time, claimed []claimedLetter) (map[[16]byte]bool, error) {
	stored := map[[16]byte]bool{}
	if since.IsZero() {
		return stored, nil
	}
	wanted := map[topicRef]map[[16]byte]bool{}
	for _, l := range claimed {
		to := l.destination(r.replayer.topics)
		if wanted[to] == nil {
			wanted[to] = map[[16]byte]bool{}
		}
		wanted[to][l.id] = true
	}
	for to, ids := range wanted {
		reader, err := r.app.openReader(ctx, r.cluster, to, readOptions{start: startPosition{time: since}})
		if errors.Is(err, iggyerr.ErrNotFound) {
			continue // nothing is stored, and nothing can be sent
		}
		if err != nil {
			return nil, err
		}
		err = reader.readToEnd(ctx, func(m message) error {
			if ids[m.ID] {
				stored[m.ID] = true
			}
			return nil
		})
		reader.close(ctx)
		if err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// publish publishes the messages that are not stored yet, and returns their outcomes and the first
// error. Those of one partition are sent one after another, in order. After a fault of the server or
// the way to it, no more are sent.
func (r *replayRun) publish(ctx context.Context, claimed []claimedLetter, stored map[[16]byte]bool) (map[[16]byte]producer.Outcome, error) {
	type place struct {
		topicRef
		partition uint32
	}
	queues := map[place][]claimedLetter{}
	for _, l := range claimed {
		if !stored[l.id] {
			at := place{l.destination(r.replayer.topics), l.origin.Partition}
			queues[at] = append(queues[at], l)
		}
	}
	var (
		mu       sync.Mutex
		first    error
		outcomes = map[[16]byte]producer.Outcome{}
		pending  sync.WaitGroup
		away     atomic.Bool // the server
	)
	for _, queue := range queues {
		pending.Go(func() {
			for _, l := range queue {
				if away.Load() || ctx.Err() != nil {
					return // without an outcome it counts as failed
				}
				err := l.replay(ctx, r.replayer, l.replays)
				if outcomeOf(err) == producer.Unknown || iggyerr.IsRetryable(err) || errors.Is(err, iggyerr.ErrDeliveryTimeout) {
					away.Store(true)
				}
				mu.Lock()
				if outcomes[l.id] = outcomeOf(err); err != nil && first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	pending.Wait()
	if first == nil && ctx.Err() != nil {
		first = context.Cause(ctx)
	}
	return outcomes, first
}

// outcomeOf is the outcome that the error of a publication tells.
func outcomeOf(err error) producer.Outcome {
	var send *producer.SendError
	switch {
	case err == nil:
		return producer.Confirmed
	case errors.As(err, &send):
		return send.Outcome
	}
	return producer.Failed
}
