package embedded_test

import (
	"bufio"
	"bytes"
	"context"
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
	defer f.Close()
	var list []exchange
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var x exchange
		require.NoError(t, json.Unmarshal(sc.Bytes(), &x))
		list = append(list, x)
	}
	require.NotEmpty(t, list)
	return list
}

// recording says what a recording does not show: the state of the server before it and connections
// that were closed.
type recording struct {
	file string
	// streams is how many streams existed before, since their number decides the ids.
	streams int
	// closed are connections that were closed before the exchange (by its line, from 0).
	closed map[int]int
}

var recordings = []recording{
	{file: "go-sdk-0.8.0.jsonl", streams: 1, closed: map[int]int{113: 3}},
	{file: "go-sdk-0.8.0-admin.jsonl"},
	{file: "rust-sdk-0.10.0.jsonl", streams: 2},
}

// TestReplay sends every recorded request to a fresh server, in the recorded order and on a socket
// for each recorded connection, and compares the answers byte for byte. The server's clock shows
// what the real one's did, so times and checksums are compared, too. What is masked stands at mask,
// with its reason. No exchange is left out.
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

// scriptedClock shows the given times one after the other and stays at the last.
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

// storedTimes finds for each exchange what the real server's clock showed: in the answer that
// creates something, or, for a send, in a later poll of the same message.
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

func splitMessages(b []byte) [][]byte {
	var list [][]byte
	for len(b) >= 64 {
		size := 64 + int(binary.LittleEndian.Uint32(b[48:])) + int(binary.LittleEndian.Uint32(b[52:]))
		list = append(list, b[:size])
		b = b[size:]
	}
	return list
}

// replacements maps what a client must echo from an earlier answer: client ids and tokens.
type replacements struct {
	clients  map[uint32]uint32
	token    []byte
	recorded []byte
}

// learn maps the recorded id of the only client of the first recording to that of the connection
// that asks.
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

// verifyChecksums recomputes the checksum of every polled message, since those with random ids
// can't be compared.
func verifyChecksums(t *testing.T, code embedded.Command, response []byte) {
	if code != embedded.PollMessages || len(response) < 16 {
		return
	}
	for _, m := range splitMessages(response[16:]) {
		require.Equal(t, xxh3.Hash(m[8:]), binary.LittleEndian.Uint64(m))
	}
}

// mask zeroes in an answer what two servers cannot have in common.
func mask(t *testing.T, code embedded.Command, response []byte) []byte {
	b := bytes.Clone(response)
	if len(b) == 0 {
		return b
	}
	switch code {
	case embedded.GetClusterMetadata:
		// The ports: this server's is free, and it has one for TCP only.
		clear(b[len(b)-10 : len(b)-2])
	case embedded.PollMessages:
		// Ids that the server drew (version 4 UUIDs; the clients' own are version 7), and the
		// checksum over them.
		for _, m := range splitMessages(b[16:]) {
			if m[8+6]>>4 == 4 {
				clear(m[0:24])
			}
		}
	case embedded.GetClients, embedded.GetClient, embedded.GetMe:
		return maskClients(t, code, b)
	case embedded.CreateToken:
		// The token is random; its length is compared.
		clear(b[1:])
	}
	return b
}

// maskClients zeroes the number of a client and its port, which come from the operating system, and
// sorts, since the real server lists clients in the order of a hash table.
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

func start(t testing.TB, opts ...embedded.Option) *embedded.Server {
	t.Helper()
	srv, err := embedded.Start(opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, srv.Stop(ctx))
	})
	return srv
}
