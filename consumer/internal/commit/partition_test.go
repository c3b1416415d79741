package commit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/commit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is what the server has stored, a round trip away.
type store struct {
	mu       sync.Mutex
	stored   commit.Stored
	writes   []uint64
	readErr  error
	writeErr error
	lose     bool // the next write happens and its answer is lost
	delay    time.Duration
}

var errRefused = errors.New("refused")

func (s *store) Read(context.Context) (commit.Stored, error) {
	time.Sleep(s.delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored, s.readErr
}

func (s *store) Write(_ context.Context, offset uint64) error {
	time.Sleep(s.delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr != nil {
		return s.writeErr
	}
	s.stored = commit.Stored{Offset: offset, Any: true}
	s.writes = append(s.writes, offset)
	if s.lose {
		s.lose = false
		return errors.New("connection lost")
	}
	return nil
}

func (s *store) Refused(err error) bool { return errors.Is(err, errRefused) }

func (s *store) set(now commit.Stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = now
}

// refuse sets the errors of reads and writes; nil: they succeed.
func (s *store) refuse(read, write error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readErr, s.writeErr = read, write
}

func (s *store) all() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]uint64(nil), s.writes...)
}

// prefix is that of messages 0 to n-1, at the offsets of their numbers.
func prefix(n uint64) commit.Prefix { return commit.Prefix{Seq: n, Offset: n - 1, Any: true} }

// setup is a committer that runs, and notes its failures.
type setup struct {
	store     *store
	committer *commit.Committer
	partition *commit.Partition

	mu       sync.Mutex
	stored   []uint64
	failures []error
}

func (s *setup) Stored(prefix commit.Prefix, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = append(s.stored, prefix.Offset)
}

func (s *setup) CommitFailed(_ uint64, err error, _ bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, err)
}

// failed are the failures so far.
func (s *setup) failed() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]error(nil), s.failures...)
}

func inBubble(t *testing.T, name string, interval time.Duration, every int, test func(t *testing.T, s *setup)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &setup{store: &store{delay: time.Millisecond}}
			s.committer = commit.NewCommitter(interval, every)
			s.partition = s.committer.NewPartition(s, s.store, commit.NewLock(), commit.Prefix{}, commit.Stored{})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.committer.Run(ctx, func() []*commit.Partition { return []*commit.Partition{s.partition} })
			}()
			test(t, s)
			cancel()
			<-done
		})
	})
}

func TestCommits(t *testing.T) {
	t.Parallel()
	inBubble(t, "the prefix is stored once an interval, if it grew", time.Second, 100, func(t *testing.T, s *setup) {
		s.partition.Advance(prefix(7))
		time.Sleep(5 * time.Second)
		require.Equal(t, []uint64{6}, s.store.all())
		require.Equal(t, uint64(7), s.partition.Committed())
		require.Equal(t, commit.Stored{Offset: 6, Any: true}, s.partition.State().Stored)
		s.partition.Advance(prefix(9))
		time.Sleep(2 * time.Second)
		require.Equal(t, []uint64{6, 8}, s.store.all())
	})
	inBubble(t, "enough messages are stored at once", time.Hour, 100, func(t *testing.T, s *setup) {
		s.partition.Advance(prefix(99))
		time.Sleep(time.Second)
		require.Empty(t, s.store.all())
		s.partition.Advance(prefix(100))
		time.Sleep(time.Second)
		require.Equal(t, []uint64{99}, s.store.all())
	})
	inBubble(t, "what is acknowledged during a commit is stored by the next one", time.Hour, 100, func(t *testing.T, s *setup) {
		s.partition.Advance(prefix(100))
		time.Sleep(time.Millisecond)
		s.partition.Advance(prefix(250))
		time.Sleep(time.Second)
		require.Equal(t, []uint64{99, 249}, s.store.all())
	})
	inBubble(t, "a request stores at once", time.Hour, 100, func(t *testing.T, s *setup) {
		s.partition.Request()
		s.partition.Advance(prefix(3))
		s.partition.Request()
		time.Sleep(time.Second)
		require.Equal(t, []uint64{2}, s.store.all())
	})
	inBubble(t, "what a commit in flight stores does not count again", time.Hour, 100, func(t *testing.T, s *setup) {
		s.partition.Advance(prefix(100))
		time.Sleep(time.Millisecond)
		s.partition.Advance(prefix(132))
		time.Sleep(time.Second)
		require.Equal(t, []uint64{99}, s.store.all())
		s.partition.Advance(prefix(200))
		time.Sleep(time.Second)
		require.Equal(t, []uint64{99, 199}, s.store.all())
	})
	inBubble(t, "a request during a commit that succeeds begins no other", time.Hour, 100, func(t *testing.T, s *setup) {
		s.partition.Advance(prefix(100))
		time.Sleep(time.Millisecond)
		s.partition.Advance(prefix(132))
		s.partition.Request()
		time.Sleep(time.Second)
		require.Equal(t, []uint64{99}, s.store.all())
		s.partition.Request()
		time.Sleep(time.Second)
		require.Equal(t, []uint64{99, 131}, s.store.all())
	})
	inBubble(t, "a request during a commit that fails begins another", time.Hour, 100, func(t *testing.T, s *setup) {
		s.store.lose = true
		s.partition.Advance(prefix(100))
		time.Sleep(time.Millisecond)
		s.partition.Advance(prefix(132))
		s.partition.Request()
		time.Sleep(time.Second)
		require.Len(t, s.failed(), 1)
		require.Equal(t, []uint64{99, 131}, s.store.all())
	})
	inBubble(t, "the intervals that pass during a commit begin no other", 10*time.Millisecond, 7, func(t *testing.T, s *setup) {
		s.store.delay = 12 * time.Millisecond
		s.partition.Advance(prefix(7))
		time.Sleep(time.Millisecond)
		s.partition.Advance(prefix(9))
		for s.partition.State().Commits == 0 {
			time.Sleep(time.Millisecond)
		}
		s.partition.Advance(prefix(13)) // as soon as there is room for them
		time.Sleep(time.Second)
		require.Equal(t, []uint64{6, 12}, s.store.all())
	})
	inBubble(t, "what is stored already is stored again for a handover, and never less", time.Hour, 100, func(t *testing.T, s *setup) {
		s.partition.Advance(prefix(100))
		time.Sleep(time.Second)
		require.NoError(t, s.partition.CommitAgain(t.Context()))
		require.Equal(t, []uint64{99, 99}, s.store.all())
		s.partition.Advance(prefix(200)) // another commit begins
		time.Sleep(time.Microsecond)
		require.NoError(t, s.partition.CommitAgain(t.Context()))
		require.Equal(t, []uint64{99, 99, 199, 199}, s.store.all())
		s.store.refuse(nil, errRefused)
		require.ErrorIs(t, s.partition.CommitAgain(t.Context()), errRefused)
		require.Empty(t, s.failed())
		s.partition.Lose(errors.New("lost"))
		require.NoError(t, s.partition.CommitAgain(t.Context()))
	})
	inBubble(t, "an operator's reset is not overwritten", time.Second, 100, func(t *testing.T, s *setup) {
		s.partition.Advance(prefix(7))
		time.Sleep(2 * time.Second)
		s.store.set(commit.Stored{Offset: 2, Any: true})
		s.partition.Advance(prefix(9))
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, []uint64{6}, s.store.all())
		var reset *commit.ResetError
		require.ErrorAs(t, s.failed()[0], &reset)
		require.EqualError(t, reset, "the stored offset was moved to 2 by someone else")
		s.store.set(commit.Stored{})
		require.EqualError(t, s.partition.Commit(t.Context()), "the stored offset was deleted by someone else")
	})
	inBubble(t, "a write whose answer was lost is no reset", time.Second, 100, func(t *testing.T, s *setup) {
		s.store.lose = true
		s.partition.Advance(prefix(7))
		time.Sleep(1500 * time.Millisecond)
		require.Len(t, s.failed(), 1)
		s.partition.Advance(prefix(9))
		time.Sleep(2 * time.Second)
		require.Equal(t, []uint64{6, 8}, s.store.all())
		require.Len(t, s.failed(), 1)
	})
	for name, readErr := range map[string]error{"write": nil, "read and write": errRefused} {
		inBubble(t, "a write whose answer was lost is no reset after a refused "+name, time.Second, 100, func(t *testing.T, s *setup) {
			s.store.lose = true
			s.partition.Advance(prefix(7))
			time.Sleep(1500 * time.Millisecond)
			s.store.refuse(readErr, errRefused)
			s.partition.Advance(prefix(9))
			time.Sleep(time.Second)
			require.Len(t, s.failed(), 2)
			s.store.refuse(nil, nil)
			time.Sleep(time.Second)
			require.Equal(t, []uint64{6, 8}, s.store.all())
			require.Len(t, s.failed(), 2)
		})
	}
	inBubble(t, "where the stored offset cannot be read, the commit happens", time.Second, 100, func(t *testing.T, s *setup) {
		s.store.readErr = errRefused
		s.partition.Advance(prefix(7))
		time.Sleep(2 * time.Second)
		require.Equal(t, []uint64{6}, s.store.all())
	})
	inBubble(t, "a commit that failed is tried again after an interval", time.Second, 100, func(t *testing.T, s *setup) {
		s.store.writeErr = errRefused
		s.partition.Advance(prefix(7))
		time.Sleep(1500 * time.Millisecond)
		require.Len(t, s.failed(), 1)
		s.store.refuse(nil, nil)
		time.Sleep(time.Second)
		require.Equal(t, []uint64{6}, s.store.all())
	})
	inBubble(t, "a commit that failed is tried again after a second where the interval is longer", time.Hour, 100, func(t *testing.T, s *setup) {
		s.store.writeErr = errRefused
		awaited := make(chan error, 1)
		go func() { awaited <- s.partition.Await(t.Context(), 4) }()
		s.partition.Advance(prefix(5))
		time.Sleep(2500 * time.Millisecond)
		require.Len(t, s.failed(), 3)
		require.Empty(t, awaited)
		s.store.refuse(nil, nil)
		time.Sleep(time.Second)
		require.NoError(t, <-awaited)
		require.Equal(t, []uint64{4}, s.store.all())
	})
	inBubble(t, "a message is awaited until its offset is stored", time.Hour, 100, func(t *testing.T, s *setup) {
		awaited := make(chan error, 1)
		go func() { awaited <- s.partition.Await(t.Context(), 4) }()
		s.partition.Advance(prefix(4))
		time.Sleep(time.Second)
		require.Empty(t, awaited)
		s.partition.Advance(prefix(5))
		require.NoError(t, <-awaited)
		require.Equal(t, []uint64{3, 4}, s.store.all())
	})
	inBubble(t, "after the loss nothing is stored and nobody waits", time.Second, 100, func(t *testing.T, s *setup) {
		lost := errors.New("lost")
		awaited := make(chan error, 1)
		go func() { awaited <- s.partition.Await(t.Context(), 4) }()
		synctest.Wait()
		s.partition.Lose(lost)
		require.ErrorIs(t, <-awaited, lost)
		s.partition.Advance(prefix(200))
		time.Sleep(2 * time.Second)
		require.Empty(t, s.store.all())
	})
}

func TestCommitsOfSeveralPartitionsHappenSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := commit.NewCommitter(time.Hour, 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx, func() []*commit.Partition { return nil })
		}()
		began := time.Now()
		var partitions []*commit.Partition
		for range 16 {
			p := c.NewPartition(&setup{}, &store{delay: 20 * time.Millisecond}, commit.NewLock(), commit.Prefix{}, commit.Stored{})
			partitions = append(partitions, p)
			p.Advance(prefix(1))
		}
		for _, p := range partitions {
			require.NoError(t, p.Await(ctx, 0))
		}
		require.Less(t, time.Since(began), 100*time.Millisecond)
		cancel()
		<-done
	})
}
