package cli

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/producer"
	"github.com/fetchbox/fetchbox-iggy/topic"
)

// headerReplayOf names the dead letter that a task was put back from.
const headerReplayOf = "replay-of"

var replayStates = []string{stateOpen, stateDropped, stateReplayed}

func (a *app) dlqReplayCommand() *cobra.Command {
	var o repairOptions
	c := &cobra.Command{
		Use:   "replay [POSITION...]",
		Short: "Put the tasks of dead letters back on their topic",
		Long: `Put the tasks of dead letters back on the topic of tasks, chosen by position or by
filters. Each letter is claimed before and marked after, so replay may be repeated
after anything: a letter that was put back is left out, two people never put the
same one back, and when a run ended in between, the next one looks whether the task
is there before it sends it. ctrl-C lets what is on its way finish, and says what
was done.

A message that could not be decoded is left, unless --undecoded says that whoever reads
it can do so by now: it is put back byte for byte, on the partition where it was.`,
		Example: `  fetchbox-iggy-cli dlq replay --code 'DOWNLOAD_*' --since 1d --dry-run
  fetchbox-iggy-cli dlq replay 0/12 1/3 --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.filter.positions = args
			return a.dlqReplay(cmd.Context(), o)
		},
	}
	o.flags(c, stateOpen, replayStates...)
	c.Flags().BoolVar(&o.undecoded, "undecoded", false, "also messages that could not be decoded, byte for byte as they were")
	return c
}

// replayed counts what became of the letters.
type replayed struct {
	Replayed int `json:"replayed"`
	// Found were put back by a run that could not say so.
	Found int `json:"found"`
	// Taken were claimed by someone else meanwhile.
	Taken   int      `json:"taken"`
	Failed  int      `json:"failed"`
	Unknown int      `json:"unknown"`
	Unfit   []string `json:"unfit,omitempty"`
	// Interrupted tells that letters are left.
	Interrupted bool `json:"interrupted,omitempty"`
}

func (a *app) dlqReplay(ctx context.Context, o repairOptions) error {
	job, err := a.prepare(ctx, o, "replay", replayStates)
	if err != nil || job == nil {
		return err
	}
	defer job.close(ctx)
	var total replayed
	wanted := map[string]bool{}
	for _, l := range job.chosen {
		if l.unfit != "" {
			fmt.Fprintf(a.err, "fetchbox-iggy-cli: %s is left: %s\n", l.position, l.unfit)
			total.Unfit = append(total.Unfit, l.position)
			continue
		}
		wanted[l.key] = true
	}
	bar := newProgress(a.err, "replayed", int64(len(wanted)))
	done := 0
	var chunkOf []letter
	size := 0
	flush := func() error {
		defer func() { chunkOf, size = nil, 0 }()
		err := a.replayChunk(ctx, job, o.filter.state, chunkOf, &total)
		done += len(chunkOf)
		bar.at(int64(done), total.Replayed+total.Found)
		return err
	}
	failure := a.eachLetter(ctx, job.cluster, job.marks, o.filter, func(l letter, _ letterState) error {
		if !wanted[l.key] {
			return nil
		}
		chunkOf = append(chunkOf, l)
		size += len(l.payload)
		if len(chunkOf) == chunk || size >= chunkBytes {
			return flush()
		}
		return nil
	})
	if failure == nil && len(chunkOf) > 0 {
		failure = flush()
	}
	bar.end()
	total.Interrupted = errors.Is(cause(ctx, nil), errInterrupted)
	return errors.Join(failure, a.printReplayed(total))
}

func (a *app) printReplayed(r replayed) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(r)
	}
	text := "replayed " + plural(r.Replayed, "dead letter")
	for _, more := range []struct {
		n    int
		text string
	}{
		{r.Found, "had been put back by a run that ended early"},
		{r.Taken, "taken by someone else"},
		{len(r.Unfit), "left, since they can't be put back"},
		{r.Failed, "failed, surely not put back"},
		{r.Unknown, "unknown: sent, but not confirmed; replay again in 5 minutes to find out"},
	} {
		if more.n > 0 {
			text += fmt.Sprintf("; %d %s", more.n, more.text)
		}
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

// replayChunk claims letters, puts back those that it got, and marks them. It
// goes to its end also when ctx ends meanwhile, unless that takes too long.
func (a *app) replayChunk(ctx context.Context, job *repair, from string, letters []letter, total *replayed) error {
	if err := cause(ctx, nil); err != nil {
		return err
	}
	// The claims must outlast whatever is done under them.
	bounded, stop := context.WithTimeout(context.WithoutCancel(ctx), claimFor-time.Minute)
	defer stop()
	bounded, cancel := context.WithCancelCause(bounded)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, func() { cancel(errInterrupted) }) })()

	claims := make([]mark, len(letters))
	for i, l := range letters {
		claims[i] = mark{Letter: l.key, Position: l.position(), Mark: markClaim, From: from}
	}
	if err := job.marks.write(bounded, job.sender, claims); err != nil {
		return err
	}
	if err := job.marks.update(bounded, a, job.cluster); err != nil {
		return err
	}
	mine := map[[16]byte]letter{}
	var ids [][16]byte
	var doubt time.Time // since when tasks may be there already
	for _, l := range letters {
		s := job.marks.of(l.key)
		if s.state != stateClaimed || s.run != job.marks.run {
			total.Taken++
			continue
		}
		id := replayID(l.key, s.replays)
		mine[id] = l
		ids = append(ids, id)
		if at := s.doubtSince; at.Before(s.since) && (doubt.IsZero() || at.Before(doubt)) {
			doubt = at
		}
	}
	there, err := a.findTasks(bounded, job, doubt, mine)
	if err != nil {
		return err
	}
	results, firstErr := putBack(bounded, job, ids, mine, there)
	var ends []mark
	for _, id := range ids {
		l := mine[id]
		end := mark{Letter: l.key, Position: l.position(), Mark: markReplayed}
		switch results[id] {
		case producer.Confirmed:
			if there[id] {
				total.Found++
			} else {
				total.Replayed++
			}
		case producer.Unknown:
			total.Unknown++
			continue // the claim stays, as a doubt
		default:
			total.Failed++
			end.Mark = markRelease
		}
		ends = append(ends, end)
	}
	if len(ends) > 0 {
		if err := job.marks.write(bounded, job.sender, ends); err != nil {
			return errors.Join(firstErr, err)
		}
	}
	return firstErr
}

// replayID is the message id of a letter's task when it is put back for the n-th
// time. It is the same whoever does it: readers that drop duplicates do so, and a
// run can find what another one has sent.
func replayID(key string, n int) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "replay %d of %s", n, key))
	id := [16]byte(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // a UUID of version 8, whose content is free
	id[8] = id[8]&0x3f | 0x80
	return id
}

// findTasks looks for tasks of claims that ended without a mark.
func (a *app) findTasks(ctx context.Context, job *repair, since time.Time, mine map[[16]byte]letter) (map[[16]byte]bool, error) {
	there := map[[16]byte]bool{}
	if since.IsZero() {
		return there, nil
	}
	t := job.cluster.Topics
	r, err := a.openReader(ctx, job.cluster, t.Stream, t.Tasks.Name, transport.Strategy{
		Kind: transport.FromTimestamp, Value: uint64(since.UnixMicro()),
	})
	if err != nil {
		return nil, err
	}
	defer r.close(ctx)
	err = r.toEnd(ctx, func(rec message) error {
		if _, ok := mine[rec.id]; ok {
			there[rec.id] = true
		}
		return nil
	})
	return there, err
}

// putBack sends the tasks and waits for every outcome.
func putBack(ctx context.Context, job *repair, ids [][16]byte, letters map[[16]byte]letter, there map[[16]byte]bool) (map[[16]byte]producer.Outcome, error) {
	tasks := jobs.FromConfig(job.cluster.Topics).Tasks
	publisher := producer.For(job.sender, tasks)
	var mu sync.Mutex
	var first error
	results := map[[16]byte]producer.Outcome{}
	var open sync.WaitGroup
	for _, id := range ids {
		if there[id] {
			mu.Lock()
			results[id] = producer.Confirmed
			mu.Unlock()
			continue
		}
		l := letters[id]
		open.Add(1)
		replayOf := topic.Header{Key: headerReplayOf, Value: fmt.Sprintf("%s/%s", job.cluster.Topics.DLQ.Name, l.position())}
		done := func(r producer.Result) {
			defer open.Done()
			mu.Lock()
			defer mu.Unlock()
			results[id] = r.Outcome
			if r.Err != nil && first == nil {
				first = r.Err
			}
		}
		if payload, headers, ok := jobs.UndecodedOf(l.task, l.headers); ok {
			rec := producer.Message{
				Stream: tasks.Stream(), Topic: tasks.Name(), ID: id, Payload: payload, Headers: append(headers, replayOf),
			}
			if l.hasOrigin {
				rec.Partition = producer.OnPartition(l.origin.Partition)
			}
			job.sender.SendAsync(ctx, rec, done)
			continue
		}
		publisher.PublishAsync(ctx, proto.CloneOf(l.task.GetTask()), done, producer.WithID(id), producer.WithHeaders(replayOf))
	}
	open.Wait()
	return results, first
}
