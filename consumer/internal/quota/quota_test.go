package quota_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/quota"
)

// shared is a quota and members of it that count how often they are woken.
type shared struct {
	*quota.Quota
	members []*quota.Member
	woken   []atomic.Int32
}

func share(limit, n int, opts ...quota.Option) *shared {
	s := &shared{Quota: quota.New(limit), woken: make([]atomic.Int32, n)}
	for i := range n {
		s.members = append(s.members, s.NewMember(func() { s.woken[i].Add(1) }, opts...))
	}
	s.SetMembers(s.members...)
	return s
}

// part is what is reserved for each of n members.
func part(limit, n int) int {
	if n < 2 {
		return 0
	}
	if p := limit / (2 * n); p > 0 {
		return p
	}
	if limit >= n {
		return 1
	}
	return 0
}

func TestLimitIsNeverExceededAndLeavesEachItsPart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 64).Draw(t, "limit")
		n := rapid.IntRange(1, 9).Draw(t, "members")
		s := share(limit, n)
		taken, gone := make([]int, n), make([]bool, n)
		claims := false
		pick := func(t *rapid.T) int { return rapid.IntRange(0, n-1).Draw(t, "member") }
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				i, want := pick(t), rapid.IntRange(1, limit).Draw(t, "want")
				least := rapid.IntRange(1, want).Draw(t, "least")
				got := s.members[i].Take(want, least)
				require.LessOrEqual(t, got, want)
				if gone[i] {
					require.Zero(t, got)
				} else if reserved := part(limit, n) - taken[i]; reserved >= least {
					require.GreaterOrEqual(t, got, min(want, reserved), "the part of member %d", i)
				}
				if got > 0 {
					require.GreaterOrEqual(t, got, least)
				}
				taken[i] += got
			},
			"take all": func(t *rapid.T) {
				i, want := pick(t), rapid.IntRange(1, limit).Draw(t, "want")
				got := s.members[i].TakeAll(want)
				claims = claims || got == 0
				require.LessOrEqual(t, got, want)
				taken[i] += got
			},
			"give": func(t *rapid.T) {
				i := pick(t)
				if gone[i] || taken[i] == 0 {
					t.Skip("nothing taken")
				}
				k := rapid.IntRange(1, taken[i]).Draw(t, "units")
				s.members[i].Give(k)
				taken[i] -= k
			},
			"leave": func(t *rapid.T) {
				i := pick(t)
				s.members[i].Leave(0)
				taken[i], gone[i] = 0, true
			},
			"": func(t *rapid.T) {
				sum := 0
				for i, k := range taken {
					sum += k
					if !gone[i] {
						require.Equal(t, k, s.members[i].Used())
					}
				}
				require.Equal(t, sum, s.Used())
				require.LessOrEqual(t, sum, limit)
			},
		})
	})
}

// Whoever is refused is woken when something is given back: nobody waits while there is room.
func TestNobodyWaitsWhileThereIsRoom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 16).Draw(t, "limit")
		n := rapid.IntRange(1, 5).Draw(t, "members")
		s := share(limit, n)
		taken := make([]int, n)
		pick := func(t *rapid.T) int { return rapid.IntRange(0, n-1).Draw(t, "member") }
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				i := pick(t)
				taken[i] += s.members[i].Take(rapid.IntRange(1, limit).Draw(t, "want"), 1)
			},
			"give": func(t *rapid.T) {
				i := pick(t)
				k := rapid.IntRange(0, taken[i]).Draw(t, "units")
				s.members[i].Give(k)
				taken[i] -= k
			},
			"": func(t *rapid.T) {
				for i, m := range s.members {
					if m.Waiting() {
						got := m.Take(limit, 1)
						require.Zero(t, got, "member %d waits, and there is room", i)
					}
				}
			},
		})
	})
}

func TestThoseThatWaitAreWoken(t *testing.T) {
	t.Parallel()
	s := share(4, 2)
	require.Equal(t, 3, s.members[0].Take(10, 1))
	require.Equal(t, 1, s.members[1].Take(10, 1))
	require.Zero(t, s.members[1].Take(1, 1))
	require.True(t, s.members[1].Waiting())
	s.members[0].Give(2)
	require.EqualValues(t, 1, s.woken[1].Load(), "one waits")
	require.False(t, s.members[1].Waiting())
	require.Equal(t, 2, s.Used())
	s.members[0].Give(1)
	require.EqualValues(t, 1, s.woken[1].Load(), "and is woken once")
	require.Equal(t, 2, s.members[1].Take(10, 1))
}

// The one who finds no room and the one who gives some back may come at the same time: one of them
// sees the other.
func TestThoseThatBeginToWaitAreWoken(t *testing.T) {
	t.Parallel()
	for range 20_000 {
		s := share(1, 2)
		require.Equal(t, 1, s.members[0].Take(1, 1))
		var done sync.WaitGroup
		done.Go(func() { s.members[0].Give(1) })
		got := s.members[1].Take(1, 1)
		done.Wait()
		if got == 0 {
			require.False(t, s.members[1].Waiting(), "there is room, and nobody was told")
		}
	}
}

func TestWhatIsGivenBackIsTakenAgainWithoutOthers(t *testing.T) {
	t.Parallel()
	s := share(8, 2)
	require.Equal(t, 6, s.members[0].Take(6, 6))
	s.members[0].Give(6)
	require.Equal(t, 4, s.members[0].Take(4, 1))
	require.Equal(t, 4, s.Used())
	require.Equal(t, 4, s.members[1].Take(8, 1), "the others get what is not used")
	s.members[0].Return()
	require.Equal(t, 8, s.Used())
}

func TestOrphanedUnitsAreInTheirPartitionsPart(t *testing.T) {
	t.Parallel()
	s := share(4, 2)
	first, other := s.members[0], s.members[1]
	require.Equal(t, 3, first.Take(10, 1))
	first.Leave(3)
	next := s.NewMember(func() { s.woken[0].Add(1) }, quota.Succeeding(first))
	s.SetMembers(other, next)
	require.Equal(t, 3, s.Orphaned())
	require.Zero(t, next.Take(1, 1), "what is left is the other's")
	require.Equal(t, 1, other.Take(10, 1))
	require.Zero(t, other.Take(1, 1))
	first.GiveOrphaned(1)
	require.EqualValues(t, 1, s.woken[0].Load())
	require.EqualValues(t, 1, s.woken[1].Load())
	first.GiveOrphaned(1)
	require.Equal(t, 2, other.Take(10, 1))
	first.GiveOrphaned(1)
	require.Zero(t, other.Take(1, 1), "it is the part of the first one")
	require.Equal(t, 1, next.Take(10, 1))
	require.Equal(t, 4, s.Used())
}

func TestOrphanedUnitsOfPartitionsElsewhereAreNobodysPart(t *testing.T) {
	t.Parallel()
	s := share(5, 3)
	gone, other, lost := s.members[0], s.members[1], s.members[2]
	lost.Leave(0)
	s.SetMembers(gone, other)
	require.Equal(t, 4, gone.Take(10, 1))
	gone.Leave(4)
	next := s.NewMember(nil, quota.Succeeding(lost))
	s.SetMembers(other, next)
	require.Equal(t, 1, next.Take(10, 1), "nobody else has any, and the rest is too little to set some aside")
	require.Zero(t, other.Take(1, 1))
	gone.GiveOrphaned(1)
	require.EqualValues(t, 1, s.woken[1].Load())
	require.Equal(t, 1, other.Take(1, 1))
}

func TestMemberThatHoldsNothingMayOverdraw(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const limit, most = 1000, 500
		n := rapid.IntRange(1, 5).Draw(t, "members")
		s := share(limit, n, quota.Overdraw())
		held := make([]int, n)
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				i := rapid.IntRange(0, n-1).Draw(t, "member")
				least := rapid.IntRange(1, most).Draw(t, "least")
				got := s.members[i].Take(rapid.IntRange(least, 2000).Draw(t, "want"), least)
				if held[i] == 0 {
					require.GreaterOrEqual(t, got, least, "one that holds nothing may go on")
				}
				held[i] += got
			},
			"give": func(t *rapid.T) {
				i := rapid.IntRange(0, n-1).Draw(t, "member")
				k := rapid.IntRange(0, held[i]).Draw(t, "units")
				s.members[i].Give(k)
				held[i] -= k
			},
			"": func(t *rapid.T) {
				sum := 0
				for _, k := range held {
					sum += k
				}
				require.Equal(t, sum, s.Used())
				require.LessOrEqual(t, sum, limit+n*most)
			},
		})
	})
}

// A claim is not passed over for ever by others that need less.
func TestClaimIsServedBeforeOthers(t *testing.T) {
	t.Parallel()
	s := share(16, 2)
	require.Equal(t, 12, s.members[1].Take(16, 1))
	require.Zero(t, s.members[0].TakeAll(10))
	s.members[1].Give(9)
	require.EqualValues(t, 1, s.woken[0].Load())
	require.Equal(t, 1, s.members[1].Take(8, 1), "nothing but its part while another one claims")
	require.Equal(t, 10, s.members[0].TakeAll(10))
	s.members[0].Give(10)
	require.Equal(t, 8, s.members[1].Take(8, 1), "the claim is over")
	require.Zero(t, s.members[0].TakeAll(100), "as much as it could have at best")
	s.members[1].Give(12)
	require.Equal(t, 12, s.members[0].TakeAll(100))
	require.Equal(t, 4, s.members[1].Take(10, 1))
	require.Zero(t, s.members[1].TakeAll(5))
	s.members[1].Unclaim()
	s.members[0].Give(2)
	require.Equal(t, 2, s.members[0].Take(2, 1), "it gave its claim up")
}

func TestForceExceedsTheLimitAndHasRoomTellsSo(t *testing.T) {
	t.Parallel()
	s := share(4, 1)
	m := s.members[0]
	require.True(t, m.HasRoom())
	m.Force(5)
	require.False(t, m.HasRoom())
	require.True(t, m.Waiting())
	m.Give(1)
	require.EqualValues(t, 1, s.woken[0].Load())
	require.False(t, m.HasRoom())
	m.Give(-1)
	require.Equal(t, 5, s.Used())
	m.Give(2)
	require.True(t, m.HasRoom())
	require.False(t, m.Waiting())
	require.Equal(t, 1, m.TryTake(3))
	require.Zero(t, m.TryTake(3))
	require.False(t, m.Waiting())
}

// Many take and give at once; in the end nothing is missing, and the limit was never exceeded.
func TestQuotaUnderConcurrentUse(t *testing.T) {
	t.Parallel()
	const limit, n, rounds = 10, 6, 3000
	s := share(limit, n)
	var used, most atomic.Int64
	var done sync.WaitGroup
	for i := range n {
		wake := make(chan struct{}, 1)
		s.members[i] = s.NewMember(func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		})
		m := s.members[i]
		done.Go(func() {
			for r := 0; r < rounds; {
				var got int
				if r%10 == 0 {
					got = m.TakeAll(5)
				} else {
					got = m.Take(1+r%4, 1)
				}
				if got == 0 {
					<-wake
					continue
				}
				r++
				if u := used.Add(int64(got)); u > most.Load() {
					most.Store(u)
				}
				used.Add(int64(-got))
				m.Give(got)
			}
			m.Leave(0)
		})
	}
	s.SetMembers(s.members...)
	done.Wait()
	require.Zero(t, s.Used())
	require.LessOrEqual(t, most.Load(), int64(limit))
}

// A member that was woken and pauses before it tries again gives way, too.
func TestClaimEndsAlsoAfterAWake(t *testing.T) {
	t.Parallel()
	s := share(4, 2)
	require.Equal(t, 3, s.members[1].Take(3, 1))
	require.Zero(t, s.members[0].TakeAll(3))
	s.members[1].Give(1)
	require.EqualValues(t, 1, s.woken[0].Load())
	s.members[0].Unclaim()
	require.Equal(t, 1, s.members[1].Take(1, 1))
}
