package quota_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/fetchbox/fetchbox-iggy/consumer/internal/quota"
)

// BenchmarkTake takes a unit and gives it back: as the only member that does so, and as one of
// several in goroutines of their own, with room for all of them and for half of them.
func BenchmarkTake(b *testing.B) {
	take := func(m *quota.Member) {
		if n := m.Take(1, 1); n > 0 {
			m.Give(n)
		}
	}
	b.Run("one member", func(b *testing.B) {
		s := share(1000, 8)
		b.ReportAllocs()
		for b.Loop() {
			take(s.members[0])
		}
	})
	for _, tt := range []struct {
		name string
		room int // in percent of the members
	}{{"several members", 100}, {"several members wait", 50}} {
		b.Run(tt.name, func(b *testing.B) {
			const parallelism = 4
			n := parallelism * runtime.GOMAXPROCS(0)
			s := share(n*tt.room/100, n)
			var next atomic.Int32
			b.SetParallelism(parallelism)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				m := s.members[next.Add(1)-1]
				for pb.Next() {
					take(m)
				}
			})
		})
	}
}

// BenchmarkTakeAll has one member claim the whole quota while another one holds units, which it gives
// back.
func BenchmarkTakeAll(b *testing.B) {
	const limit = 1000
	s := share(limit, 2)
	holds, claims := s.members[0], s.members[1]
	b.ReportAllocs()
	for b.Loop() {
		n := holds.Take(limit, 1)
		if claims.TakeAll(limit) != 0 {
			b.Fatal("there was room for both")
		}
		holds.Give(n)
		got := claims.TakeAll(limit)
		if got == 0 {
			b.Fatal("there is room")
		}
		claims.Give(got)
	}
}
