package embedded_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// randomScript runs random commands on a topic with two groups from four connections, chosen by the
// seed: join, leave, disconnect, poll, commit, send, add and remove partitions.
func randomScript(seed uint64) func(*script) {
	return func(s *script) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
		st := s.stream("s")
		partitions := uint32(1 + rnd.IntN(6))
		t := s.topic(st, "t", partitions)
		for _, g := range []string{"g", "h"} {
			s.admin.callQuietly(embedded.CreateGroup, join(st, t, name(g)))
		}
		peers := make([]*scriptConn, 4)
		n := uint64(0)
		for step := range 60 {
			i := rnd.IntN(len(peers))
			if peers[i] == nil {
				peers[i] = s.login(fmt.Sprint("peer ", i))
			}
			p, g, part0 := peers[i], pick("g", "g", "h"), rnd.IntN(8)-1
			label := fmt.Sprint(step, " ", g, " ", part0)
			who := grouped(g)
			if rnd.IntN(4) == 0 {
				who = single(g)
			}
			switch rnd.IntN(16) {
			case 0, 1, 2:
				p.call(label, embedded.JoinGroup, join(st, t, ident(g)))
			case 3:
				p.call(label, embedded.LeaveGroup, join(st, t, ident(g)))
			case 4:
				if rnd.IntN(2) == 0 {
					s.closeAndWait(p, join(st, t))
					peers[i] = nil
				}
			case 5, 6:
				var batch [][]byte
				for range 1 + rnd.IntN(4) {
					n++
					batch = append(batch, message(n, "payload", strings.Repeat("h", rnd.IntN(3))))
				}
				to := balanced
				if rnd.IntN(3) == 0 {
					to = byKey(fmt.Sprint("key", n))
				}
				p.call(label, embedded.SendMessages, sendBody(st, t, to, batch...))
			case 7, 8, 9, 10:
				kind, value := byte(1+rnd.IntN(5)), uint64(0)
				if kind == 1 {
					value = uint64(rnd.IntN(12))
				}
				p.call(label, embedded.PollMessages, pollBody(who, st, t, part0, kind, value, uint32(rnd.IntN(5)), byte(rnd.IntN(2))))
			case 11, 12, 13:
				p.call(label, embedded.StoreOffset, join(who, st, t, part(part0), u64(uint64(rnd.IntN(12)))))
			case 14:
				if rnd.IntN(3) == 0 {
					p.call(label, embedded.DeleteOffset, join(who, st, t, part(part0)))
				} else {
					p.call(label, embedded.GetOffset, join(who, st, t, part(part0)))
				}
			case 15:
				switch rnd.IntN(6) {
				case 0:
					more := uint32(1 + rnd.IntN(3))
					p.call(label, embedded.CreatePartitions, join(st, t, u32(more)))
					partitions += more
				case 1:
					// One partition stays, since a send by key to a topic without partitions makes
					// the real server exit.
					if less := uint32(1 + rnd.IntN(3)); less < partitions {
						p.call(label, embedded.DeletePartitions, join(st, t, u32(less)))
						partitions -= less
					}
				case 2:
					p.call(label, embedded.DeleteGroup, join(st, t, ident(g)))
				case 3:
					p.call(label, embedded.CreateGroup, join(st, t, name(g)))
				case 4:
					p.call(label, embedded.GetMe, nil)
				case 5:
					p.call(label, embedded.GetTopic, join(st, t))
				}
			}
			s.admin.call(label, embedded.GetGroup, join(st, t, ident(g)))
		}
	}
}

// closeAndWait closes a connection and waits until the server has removed it from its groups.
func (s *script) closeAndWait(p *scriptConn, topic []byte) {
	s.t.Helper()
	mine := p.callQuietly(embedded.GetMe, nil)
	require.NoError(s.t, p.c.Close())
	require.Eventually(s.t, func() bool {
		return len(s.admin.callQuietly(embedded.GetClient, mine[:4])) == 0
	}, waitTimeout, time.Millisecond)
	s.note("%s disconnected", p.name)
	for _, g := range []string{"g", "h"} {
		s.admin.call("after that", embedded.GetGroup, join(topic, ident(g)))
	}
}

// TestRandomScriptsOnBothServers compares the transcripts of random scripts. It repeats a run that
// differs, as does TestTranscriptsOnRealServer.
func TestRandomScriptsOnBothServers(t *testing.T) {
	t.Parallel()
	tg := realTarget(t)
	realServerMu.Lock()
	defer realServerMu.Unlock()
	for seed := range uint64(20) {
		run := randomScript(seed)
		want := transcript(t, run, embeddedTarget(t))
		got := ""
		for range 10 {
			if got = transcript(t, run, tg); got == want {
				break
			}
		}
		require.Equal(t, want, got, "seed %d", seed)
	}
}
