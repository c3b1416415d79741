package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/deadletter"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

var replayStates = []string{stateOpen, stateDropped, stateReplayed}

func (a *app) dlqReplayCommand() *cobra.Command {
	var o selectionOptions
	c := &cobra.Command{
		Use:   "replay [POSITION...]",
		Short: "Publish the tasks of dead letters again",
		Long: `Publish the tasks of dead letters again, selected by position or by filters.

Each dead letter is claimed before its task is sent, and marked afterwards. So replay
may be repeated after any failure: a dead letter that was replayed is left out, and two
people never replay the same one. When an earlier run ended between the claim and the
mark, replay looks for the task on its topic before it sends it again. ctrl-C waits for
the messages in flight, and prints what was done.

A task goes to the partition where it was, with the headers that it had, such as the
tenant and the trace context, and with the header replay-of, which names its dead letter.

A message that could not be decoded is skipped, unless --undecoded says that its
readers can decode it by now: then it is sent byte for byte.`,
		Example: `  fetchbox-iggy-cli dlq replay --code 'DOWNLOAD_*' --since 1d --dry-run
  fetchbox-iggy-cli dlq replay 0/12 1/3 --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.filter.positions = args
			return a.dlqReplay(cmd.Context(), o)
		},
	}
	o.addFlags(c, stateOpen, replayStates...)
	c.Flags().BoolVar(&o.undecoded, "undecoded", false, "also messages that could not be decoded, byte for byte as they were")
	return c
}

// replayCounts counts the results by dead letter.
type replayCounts struct {
	Replayed int `json:"replayed"`
	// Found counts those that an earlier run replayed and did not mark.
	Found int `json:"found"`
	// Claimed counts those that another run has claimed meanwhile.
	Claimed int      `json:"claimed"`
	Failed  int      `json:"failed"`
	Unknown int      `json:"unknown"`
	Unfit   []string `json:"unfit,omitempty"`
	// Interrupted is set after an interrupt: some dead letters were not replayed.
	Interrupted bool `json:"interrupted,omitempty"`
}

func (a *app) dlqReplay(ctx context.Context, o selectionOptions) error {
	selected, err := a.selectLetters(ctx, o, "replay", replayStates)
	if err != nil || selected == nil {
		return err
	}
	defer selected.close(ctx)
	var total replayCounts
	wanted := map[string]bool{}
	for _, l := range selected.letters {
		if l.unfit != "" {
			fmt.Fprintf(a.err, "fetchbox-iggy-cli: %s is skipped: %s\n", l.position, l.unfit)
			total.Unfit = append(total.Unfit, l.position)
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
		err := a.replayChunk(ctx, selected, o.filter.state, chunk, &total)
		done += len(chunk)
		bar.update(int64(done), total.Replayed+total.Found)
		return err
	}
	failure := a.eachDeadLetter(ctx, selected.cluster, selected.marks, o.filter, func(l deadLetter, _ deadLetterState) error {
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
	total.Interrupted = errors.Is(interrupted(ctx), errInterrupted)
	return errors.Join(failure, a.printReplayed(total))
}

func (a *app) printReplayed(r replayCounts) error {
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
	} {
		if more.n > 0 {
			text += fmt.Sprintf("; %d %s", more.n, more.text)
		}
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

// replayChunk claims dead letters, publishes the tasks of those that it got, and marks them. When
// ctx ends, it continues for the grace period.
func (a *app) replayChunk(ctx context.Context, selected *selection, from string, letters []deadLetter, total *replayCounts) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	// The work must end before the claims expire.
	bounded, stop := context.WithTimeout(context.WithoutCancel(ctx), claimDuration-time.Minute)
	defer stop()
	bounded, cancel := context.WithCancelCause(bounded)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(gracePeriod, func() { cancel(errInterrupted) }) })()

	claims := make([]mark, len(letters))
	for i, l := range letters {
		claims[i] = mark{Letter: l.key, Position: l.position(), Mark: markClaim, From: from}
	}
	if err := selected.marks.write(bounded, selected.producer, claims); err != nil {
		return err
	}
	if err := selected.marks.update(bounded, a, selected.cluster); err != nil {
		return err
	}
	claimed := map[[16]byte]deadLetter{}
	var ids [][16]byte
	var unresolved time.Time // since when earlier runs may have sent tasks
	for _, l := range letters {
		s := selected.marks.state(l.key)
		if s.state != stateClaimed || s.claimedBy != selected.marks.run {
			total.Claimed++
			continue
		}
		id := deadletter.ReplayID(l.key, s.replays)
		claimed[id] = l
		ids = append(ids, id)
		if at := s.unresolvedSince; at.Before(s.since) && (unresolved.IsZero() || at.Before(unresolved)) {
			unresolved = at
		}
	}
	stored, err := a.findTasks(bounded, selected, unresolved, claimed)
	if err != nil {
		return err
	}
	results, firstErr := publishTasks(bounded, selected, ids, claimed, stored)
	var marks []mark
	for _, id := range ids {
		l := claimed[id]
		m := mark{Letter: l.key, Position: l.position(), Mark: markReplayed}
		switch results[id] {
		case producer.Confirmed:
			if stored[id] {
				total.Found++
			} else {
				total.Replayed++
			}
		case producer.Unknown:
			total.Unknown++
			continue // the claim stays unresolved
		default:
			total.Failed++
			m.Mark = markRelease
		}
		marks = append(marks, m)
	}
	if len(marks) > 0 {
		if err := selected.marks.write(bounded, selected.producer, marks); err != nil {
			return errors.Join(firstErr, err)
		}
	}
	return firstErr
}

// findTasks looks for tasks that earlier runs have sent since a time.
func (a *app) findTasks(ctx context.Context, selected *selection, since time.Time, claimed map[[16]byte]deadLetter) (map[[16]byte]bool, error) {
	stored := map[[16]byte]bool{}
	if since.IsZero() {
		return stored, nil
	}
	tasks := jobs.Tasks.Configured(selected.cluster.Topics)
	r, err := a.openReader(ctx, selected.cluster, topicRef{stream: tasks.Stream(), name: tasks.Name()}, readOptions{start: startPosition{time: since}})
	if err != nil {
		return nil, err
	}
	defer r.close(ctx)
	err = r.readToEnd(ctx, func(m message) error {
		if _, ok := claimed[m.id]; ok {
			stored[m.id] = true
		}
		return nil
	})
	return stored, err
}

// publishTasks publishes the tasks that are not stored yet, and waits for all outcomes.
func publishTasks(ctx context.Context, selected *selection, ids [][16]byte, letters map[[16]byte]deadLetter, stored map[[16]byte]bool) (map[[16]byte]producer.Outcome, error) {
	topics := jobs.FromConfig(selected.cluster.Topics)
	tasks := topics.Tasks
	publisher := producer.For(selected.producer, tasks)
	var mu sync.Mutex
	var first error
	results := map[[16]byte]producer.Outcome{}
	var pending sync.WaitGroup
	for _, id := range ids {
		if stored[id] {
			mu.Lock()
			results[id] = producer.Confirmed
			mu.Unlock()
			continue
		}
		l := letters[id]
		pending.Add(1)
		own := slices.DeleteFunc(jobs.OwnHeaders(l.headers), func(h topic.Header) bool { return h.Key == deadletter.HeaderReplayOf })
		own = append(own, topic.Header{Key: deadletter.HeaderReplayOf, Value: fmt.Sprintf("%s/%s", topics.DeadLetters.Name(), l.position())})
		done := func(r producer.Result) {
			defer pending.Done()
			mu.Lock()
			defer mu.Unlock()
			results[id] = r.Outcome
			if r.Err != nil && first == nil {
				first = r.Err
			}
		}
		if payload, headers, ok := jobs.PayloadOf(l.value, l.headers); ok {
			m := producer.Message{
				Stream: tasks.Stream(), Topic: tasks.Name(), ID: id, Payload: payload, Headers: append(headers, own...),
			}
			if m.Key = l.storedKey(); m.Key == "" && l.hasOrigin {
				m.Partition = producer.OnPartition(l.origin.Partition)
			}
			selected.producer.SendAsync(ctx, m, done)
			continue
		}
		opts := []producer.PublishOption{producer.WithID(id), producer.WithHeaders(own...)}
		switch key := l.storedKey(); {
		case key != "":
			opts = append(opts, producer.WithKey(key))
		case l.hasOrigin:
			opts = append(opts, producer.WithPartition(l.origin.Partition))
		}
		publisher.PublishAsync(ctx, proto.CloneOf(l.task()), done, opts...)
	}
	pending.Wait()
	return results, first
}
