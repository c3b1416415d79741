package iggytest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// CreateTopic creates a topic, and its stream when that is missing. A topic that exists stays as it
// is. Faults do not apply. It logs in with [Username] and [Password] and fails the test when that
// does not work.
func (s *Server) CreateTopic(stream, topic string, partitions uint32) {
	s.tb.Helper()
	// [identifier stream][u32 partitions][u8 compression][u64 expiry][u64 size limit][u8
	// replication][name]
	body := binary.LittleEndian.AppendUint32(appendIdentifier(nil, stream), partitions)
	body = append(body, 1)                                    // no compression
	body = binary.LittleEndian.AppendUint64(body, ^uint64(0)) // no expiry
	body = binary.LittleEndian.AppendUint64(body, 0)          // the server's default
	body = appendName(append(body, 0), topic)
	s.runAsRoot([]adminRequest{
		{embedded.CreateStream, appendName(nil, stream), embedded.StatusStreamExists},
		{embedded.CreateTopic, body, embedded.StatusTopicExists},
	})
}

// CreateGroup creates a consumer group of a topic that exists. See [Server.CreateTopic].
func (s *Server) CreateGroup(stream, topic, group string) {
	s.tb.Helper()
	body := appendName(appendIdentifier(appendIdentifier(nil, stream), topic), group)
	s.runAsRoot([]adminRequest{{embedded.CreateGroup, body, embedded.StatusGroupExists}})
}

// adminRequest is a request that creates something.
type adminRequest struct {
	command embedded.Command
	body    []byte
	exists  embedded.Status // the status that says that it exists already
}

// runAsRoot sends requests on a connection of its own, past the proxy.
func (s *Server) runAsRoot(requests []adminRequest) {
	s.tb.Helper()
	defer s.notifyChange()
	login := append(appendName(appendName(nil, Username), Password), make([]byte, 8)...)
	requests = append([]adminRequest{{command: embedded.LoginUser, body: login}}, requests...)
	nc, err := net.Dial("tcp", s.Embedded().Address())
	if err != nil {
		s.tb.Fatalf("iggytest: %v", err)
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(waitTimeout))
	for _, r := range requests {
		status, err := roundTrip(nc, r.command, r.body)
		if err == nil && status != embedded.StatusOK && status != r.exists {
			err = fmt.Errorf("%s", status)
		}
		if err != nil {
			s.tb.Fatalf("iggytest: %s: %v", r.command, err)
		}
	}
}

func roundTrip(rw io.ReadWriter, command embedded.Command, body []byte) (embedded.Status, error) {
	frame := binary.LittleEndian.AppendUint32(nil, uint32(4+len(body)))
	frame = binary.LittleEndian.AppendUint32(frame, uint32(command))
	if _, err := rw.Write(append(frame, body...)); err != nil {
		return 0, err
	}
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(rw, header); err != nil {
		return 0, err
	}
	_, err := io.CopyN(io.Discard, rw, int64(binary.LittleEndian.Uint32(header[4:])))
	return embedded.Status(binary.LittleEndian.Uint32(header)), err
}

// appendIdentifier writes the name of an object where the protocol accepts a name or a number.
func appendIdentifier(b []byte, name string) []byte { return appendName(append(b, 2), name) }

func appendName(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }
