package embedded_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// exchange is one line of a recording: a request to the real server 0.8.0 and its answer.
type exchange struct {
	Conn     int              `json:"conn"`
	Code     embedded.Command `json:"code"`
	Request  hexBytes         `json:"request"`
	Status   embedded.Status  `json:"status"`
	Response hexBytes         `json:"response"`
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func readRecording(t testing.TB, name string) []exchange {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	var list []exchange
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var x exchange
		require.NoError(t, json.Unmarshal(sc.Bytes(), &x))
		list = append(list, x)
	}
	require.NotEmpty(t, list)
	return list
}

// recording adds to a recording the initial state of the server and when connections were closed.
type recording struct {
	file string
	// streams is the number of streams that existed before, which decides the ids of new ones.
	streams int
	// closed maps the line of an exchange, from 0, to the connection that was closed before it.
	closed map[int]int
}

var recordings = []recording{
	{file: "go-sdk-0.8.0.jsonl", streams: 1, closed: map[int]int{113: 3}},
	{file: "go-sdk-0.8.0-admin.jsonl"},
	{file: "rust-sdk-0.10.0.jsonl", streams: 2},
}

// TestReplayRecordings sends every recorded request to a new server, in the recorded order and on
// one socket for each recorded connection, and compares the answers byte for byte. The clock shows
// the recorded times, so times and checksums are compared too. See mask for what is not compared.
func TestReplayRecordings(t *testing.T) {
	t.Parallel()
	for _, rec := range recordings {
		t.Run(rec.file, func(t *testing.T) {
			t.Parallel()
			replay(t, rec)
		})
	}
}

func replay(t *testing.T, rec recording) {
	list := readRecording(t, rec.file)
	clock := &scriptedClock{}
	srv := start(t, embedded.WithClock(clock.now))
	setup := dial(t, srv)
	setup.login(t)
	for i := range rec.streams {
		setup.mustCall(t, embedded.CreateStream, name("before-"+string(rune('a'+i))))
	}
	setup.close(t, srv)

	times := storedTimes(list)
	r := replacements{clients: map[uint32]uint32{}}
	conns := map[int]*testConn{}
	open := 0
	for i, x := range list {
		if n, ok := rec.closed[i]; ok {
			conns[n].close(t, srv)
			open--
		}
		c := conns[x.Conn]
		if c == nil {
			c = dial(t, srv)
			conns[x.Conn] = c
			open++
		}
		clock.set(times[i]...)
		r.learn(x, srv, c)
		status, response := c.call(t, x.Code, r.request(x))
		require.Equalf(t, x.Status, status, "line %d: %s", i, x.Code)
		r.learnToken(x, response)
		verifyChecksums(t, x.Code, response)
		want, got := mask(t, x.Code, x.Response), mask(t, x.Code, response)
		require.Equalf(t, hex.EncodeToString(want), hex.EncodeToString(got), "line %d: %s %x", i, x.Code, []byte(x.Request))
	}
	require.Equal(t, len(conns)-len(rec.closed), open)
}

// scriptedClock shows the given times one after the other. The last one repeats.
type scriptedClock struct {
	mu    sync.Mutex
	times []uint64
}

func (c *scriptedClock) set(times ...uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(times) > 0 {
		c.times = times
	}
}

func (c *scriptedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.times) == 0 {
		return time.UnixMicro(0)
	}
	t := c.times[0]
	if len(c.times) > 1 {
		c.times = c.times[1:]
	}
	return time.UnixMicro(int64(t))
}

// storedTimes returns for each exchange the times of the real server: those in the answer of a
// command that creates something and, for a send, that of the same message in a later poll.
func storedTimes(list []exchange) [][]uint64 {
	type key struct {
		origin  uint64
		payload string
	}
	seen := map[key][]uint64{}
	for _, x := range list {
		if x.Code != embedded.PollMessages || len(x.Response) < 16 {
			continue
		}
		for _, m := range splitMessages(x.Response[16:]) {
			k := key{binary.LittleEndian.Uint64(m[40:]), string(m[64:])}
			if ts := binary.LittleEndian.Uint64(m[32:]); !slices.Contains(seen[k], ts) {
				seen[k] = append(seen[k], ts)
			}
		}
	}
	for k := range seen {
		slices.Sort(seen[k])
	}
	times := make([][]uint64, len(list))
	for i, x := range list {
		if x.Status != 0 {
			continue
		}
		switch x.Code {
		case embedded.CreateStream, embedded.CreateUser:
			times[i] = []uint64{binary.LittleEndian.Uint64(x.Response[4:])}
		case embedded.CreateTopic:
			partitions := 51 + int(x.Response[50])
			times[i] = []uint64{
				binary.LittleEndian.Uint64(x.Response[4:]), binary.LittleEndian.Uint64(x.Response[partitions+4:]),
			}
		case embedded.CreatePartitions:
			for _, later := range list[i:] {
				if later.Code == embedded.GetTopic && len(later.Response) > 0 {
					last := later.Response[len(later.Response)-40:]
					times[i] = []uint64{binary.LittleEndian.Uint64(last[4:])}
					break
				}
			}
		case embedded.SendMessages:
			at := 4 + int(binary.LittleEndian.Uint32(x.Request))
			count := int(binary.LittleEndian.Uint32(x.Request[at-4:]))
			m := x.Request[at+count*16:]
			k := key{binary.LittleEndian.Uint64(m[40:]), string(splitMessages(m)[0][64:])}
			if len(seen[k]) > 0 {
				times[i] = []uint64{seen[k][0]}
				seen[k] = seen[k][1:]
			}
		}
	}
	return times
}

// replacements maps what a client repeats from an earlier answer: client ids and tokens.
type replacements struct {
	clients  map[uint32]uint32
	token    []byte
	recorded []byte
}

// learn maps the only client id of the first recording to that of the connection that asks.
func (r *replacements) learn(x exchange, srv *embedded.Server, c *testConn) {
	if x.Code != embedded.GetClients || len(x.Response) == 0 {
		return
	}
	for _, conn := range srv.Connections() {
		if conn.Remote.String() == c.LocalAddr().String() {
			r.clients[binary.LittleEndian.Uint32(x.Response)] = conn.ClientID
		}
	}
}

func (r *replacements) learnToken(x exchange, response []byte) {
	if x.Code == embedded.CreateToken && x.Status == 0 {
		r.recorded, r.token = x.Response, response
	}
}

func (r *replacements) request(x exchange) []byte {
	switch x.Code {
	case embedded.GetClient:
		if id, ok := r.clients[binary.LittleEndian.Uint32(x.Request)]; ok {
			return binary.LittleEndian.AppendUint32(nil, id)
		}
	case embedded.LoginWithToken:
		if r.recorded != nil && bytes.Equal(x.Request, r.recorded) {
			return r.token
		}
	}
	return x.Request
}

// verifyChecksums computes the checksum of every polled message, since those of messages with
// random ids can't be compared.
func verifyChecksums(t *testing.T, code embedded.Command, response []byte) {
	if code != embedded.PollMessages || len(response) < 16 {
		return
	}
	for _, m := range splitMessages(response[16:]) {
		require.Equal(t, xxh3.Hash(m[8:]), binary.LittleEndian.Uint64(m))
	}
}

// mask zeroes what is never equal in the answers of two servers.
func mask(t *testing.T, code embedded.Command, response []byte) []byte {
	b := bytes.Clone(response)
	if len(b) == 0 {
		return b
	}
	switch code {
	case embedded.GetClusterMetadata:
		// The ports. This server has a random one for TCP and no others.
		clear(b[len(b)-10 : len(b)-2])
	case embedded.PollMessages:
		// Ids that the server generated (version 4 UUIDs; those of clients are version 7), and the
		// checksum over them.
		for _, m := range splitMessages(b[16:]) {
			if m[8+6]>>4 == 4 {
				clear(m[0:24])
			}
		}
	case embedded.GetClients, embedded.GetClient, embedded.GetMe:
		return maskClients(t, code, b)
	case embedded.CreateToken:
		// The token is random. Its length is compared.
		clear(b[1:])
	}
	return b
}

// maskClients removes the number of a client and its port, which come from the operating system,
// and sorts the clients, since the real server lists them in no particular order.
func maskClients(t *testing.T, code embedded.Command, b []byte) []byte {
	var list [][]byte
	for rest := b; len(rest) > 0; {
		n := 13 + int(binary.LittleEndian.Uint32(rest[9:]))
		address := rest[13:n]
		colon := bytes.LastIndexByte(address, ':')
		require.Positive(t, colon)
		entry := append(bytes.Clone(rest[4:9]), address[:colon]...)
		if code != embedded.GetClients {
			list = append(list, append(entry, rest[n:]...))
			break
		}
		list = append(list, append(entry, rest[n:n+4]...))
		rest = rest[n+4:]
	}
	slices.SortFunc(list, bytes.Compare)
	return bytes.Join(list, nil)
}
