package embedded_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

func seeds(f *testing.F) []exchange {
	f.Helper()
	var all []exchange
	for _, rec := range recordings {
		all = append(all, readRecording(f, rec.file)...)
	}
	return all
}

// checkAnswers requires bytes to be a row of whole answers, each of a status that is known, and
// returns their number.
func checkAnswers(t *testing.T, b []byte) int {
	t.Helper()
	n := 0
	for ; len(b) > 0; n++ {
		require.GreaterOrEqual(t, len(b), 8)
		status := embedded.Status(binary.LittleEndian.Uint32(b))
		size := int(binary.LittleEndian.Uint32(b[4:]))
		require.True(t, embedded.KnownStatus(status), "status %d", status)
		require.True(t, status == embedded.StatusOK || size == 0, "an error has no body")
		require.GreaterOrEqual(t, len(b)-8, size)
		b = b[8+size:]
	}
	return n
}

// FuzzFrames feeds any bytes to a connection, as they are: lengths may lie and frames be cut.
func FuzzFrames(f *testing.F) {
	var input []byte
	for _, x := range seeds(f) {
		fr := frame(x.Code, x.Request)
		f.Add(fr, true)
		f.Add(fr[:len(fr)/2], true)
		if len(input) < 4<<10 {
			input = append(input, fr...)
		}
	}
	f.Add(input, false)
	f.Add(input, true)
	f.Fuzz(func(t *testing.T, input []byte, login bool) {
		srv := embedded.NewOfflineServer()
		n := checkAnswers(t, srv.Exchange(input, login))
		require.LessOrEqual(t, n, len(input)/8)
		require.NoError(t, srv.Invariants())
	})
}

// FuzzCommands feeds one well framed request with any body to a server that has something in it:
// this reaches the decoder and the effect of every command.
func FuzzCommands(f *testing.F) {
	for _, x := range seeds(f) {
		f.Add(uint32(x.Code), []byte(x.Request))
	}
	st, tp := ident("sem"), ident("t")
	f.Add(uint32(embedded.PurgeStream), st)
	f.Add(uint32(embedded.PurgeTopic), join(st, tp))
	f.Add(uint32(embedded.DeleteSegments), join(st, tp, u32(0), u32(1)))
	f.Add(uint32(embedded.FlushUnsavedBuffer), join(st, tp, u32(0), []byte{1}))
	f.Add(uint32(embedded.GetSnapshot), []byte{1, 1, 100})
	f.Add(uint32(embedded.GetStats), []byte{})
	f.Add(uint32(embedded.GetUsers), []byte{})
	f.Add(uint32(embedded.GetUser), number(0))
	f.Add(uint32(embedded.GetMe), []byte{})
	f.Add(uint32(embedded.UpdateUser), join(ident("worker"), []byte{1}, name("other"), []byte{1, 1}))
	f.Add(uint32(embedded.UpdatePermissions), join(ident("worker"), []byte{1}, u32(11), make([]byte, 11)))
	f.Add(uint32(embedded.ChangePassword), join(ident("worker"), name("secret-pass"), name("other")))
	setup := join(
		frame(embedded.CreateStream, name("sem")),
		frame(embedded.CreateTopic, topicBody(st, 3, 1, 0, 0, 0, "t")),
		frame(embedded.CreateGroup, join(st, tp, name("g"))),
		frame(embedded.JoinGroup, join(st, tp, ident("g"))),
		frame(embedded.SendMessages, sendBody(st, tp, toPartition(0), message(1, "payload", ""), message(2, "payload", "headers"))),
		frame(embedded.CreateUser, join(name("worker"), name("secret-pass"), []byte{1, 0})),
		frame(embedded.CreateToken, join(name("token"), u64(0))),
	)
	f.Fuzz(func(t *testing.T, code uint32, body []byte) {
		srv := embedded.NewOfflineServer()
		out := srv.Exchange(join(setup, frame(embedded.Command(code), body), frame(embedded.Ping, nil)), true)
		n := checkAnswers(t, out)
		if embedded.Command(code) != embedded.SendMessages {
			require.GreaterOrEqual(t, n, 8, "the request is answered")
		}
		require.NoError(t, srv.Invariants())
	})
}

// FuzzBatch feeds any indexes and messages to the check of a batch. What passes must be whole
// messages, one after the other.
func FuzzBatch(f *testing.F) {
	for _, x := range seeds(f) {
		if x.Code == embedded.SendMessages {
			at := 4 + int(binary.LittleEndian.Uint32(x.Request))
			count := int(binary.LittleEndian.Uint32(x.Request[at-4:]))
			f.Add([]byte(x.Request[at:at+16*count]), []byte(x.Request[at+16*count:]))
		}
	}
	f.Fuzz(func(t *testing.T, indexes, data []byte) {
		ends, status := embedded.ValidateBatch(indexes, data, len(indexes)/16)
		if status != embedded.StatusOK {
			return
		}
		require.Len(t, ends, len(indexes)/16)
		at := 0
		for i, m := range splitMessages(data) {
			at += len(m)
			require.EqualValues(t, ends[i], at)
		}
		require.Equal(t, len(data), at)
	})
}

func FuzzPermissions(f *testing.F) {
	f.Add(make([]byte, 11))
	f.Add(join([]byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, u32(3), []byte{1, 1, 1, 1, 1, 1, 1}, u32(2), []byte{1, 1, 1, 1, 0, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if formed, same := embedded.RoundTripPermissions(b); formed {
			require.True(t, same)
		}
	})
}

// FuzzLog reads any bytes as a log file: what it takes for whole records stays so when the rest is
// cut off.
func FuzzLog(f *testing.F) {
	m := join(message(1, "payload", ""), message(2, "p", "h"))
	record := join(u32(uint32(len(m))), u64(xxh3.Hash(m)), m)
	f.Add(record)
	f.Add(join(record, record))
	f.Add(join(record, record[:20]))
	f.Fuzz(func(t *testing.T, b []byte) {
		messages, end := embedded.ReadRecords(b)
		require.LessOrEqual(t, end, int64(len(b)))
		again, same := embedded.ReadRecords(b[:end])
		require.Equal(t, end, same)
		require.Equal(t, messages, again)
	})
}
