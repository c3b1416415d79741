package transport

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// Prober is a Dialer that can tell whether a server speaks another version of Iggy's protocol.
type Prober interface {
	// Probe makes a connection of its own and asks the server in the protocol of Iggy 0.9 and
	// later. It returns an error that matches iggyerr.ErrProtocol when the server answers in that
	// protocol, and nil in every other case.
	Probe(ctx context.Context, address string, tls *tls.Config) error
}

// The framing of Iggy 0.9 and later has a header of 256 bytes in both directions, little endian.
// Offsets and values are from an exchange recorded with a server 0.9.0-edge.5.
const (
	vsrHeaderSize     = 256
	vsrSizeAt         = 48 // u32, of the header and the body
	vsrCommandAt      = 60 // u8
	vsrClientAt       = 128
	vsrOldestAt       = 144 // u32, of an eviction: the accepted protocol versions
	vsrNewestAt       = 148
	vsrOperationAt    = 176
	vsrReasonAt       = 255 // u8, of an eviction
	vsrRequest        = 5
	vsrReply          = 8
	vsrEviction       = 13
	vsrRegister       = 1
	vsrReasonVersion  = 14
	vsrVersionBits    = 10
	vsrProbeName      = "iggy-client-probe"
	vsrProbeVersion   = "0.8"
	vsrUnknownVersion = 0

	// statusInvalidCommand is the status by which a server 0.8 refuses each 8 bytes of zeros.
	statusInvalidCommand = 3
)

// vsrRegisterRequest returns a request to register a client with a protocol version that no server
// accepts. The server answers it with the versions that it accepts; it needs no credentials.
func vsrRegisterRequest() []byte {
	b := make([]byte, vsrHeaderSize)
	b[vsrCommandAt] = vsrRequest
	b[vsrClientAt] = 1
	b[vsrOperationAt] = vsrRegister
	b = binary.LittleEndian.AppendUint32(b, vsrUnknownVersion)
	for _, s := range []string{vsrProbeName, vsrProbeVersion} {
		b = append(append(b, byte(len(s))), s...)
	}
	binary.LittleEndian.PutUint32(b[vsrSizeAt:], uint32(len(b)))
	return b
}

// Probe implements Prober.Probe.
func Probe(ctx context.Context, address string, cfg *tls.Config) error {
	nc, err := Connect(ctx, address, cfg)
	if err != nil {
		return nil //nolint:nilerr // no answer tells nothing
	}
	defer Abort(nc)
	defer context.AfterFunc(ctx, func() { Abort(nc) })()
	if _, err := nc.Write(vsrRegisterRequest()); err != nil {
		return nil //nolint:nilerr // no answer tells nothing
	}
	var head [vsrHeaderSize]byte
	if _, err := io.ReadFull(nc, head[:AnswerHeaderSize]); err != nil {
		return nil //nolint:nilerr // no answer tells nothing
	}
	if binary.LittleEndian.Uint64(head[:]) == statusInvalidCommand {
		return nil // from a server 0.8
	}
	if _, err := io.ReadFull(nc, head[AnswerHeaderSize:]); err != nil {
		return nil //nolint:nilerr // no answer tells nothing
	}
	return describeVSR(head)
}

// describeVSR returns the error for an answer in the protocol of Iggy 0.9 and later, and nil for
// other bytes.
func describeVSR(head [vsrHeaderSize]byte) error {
	command := head[vsrCommandAt]
	if binary.LittleEndian.Uint32(head[vsrSizeAt:]) < vsrHeaderSize || command != vsrReply && command != vsrEviction {
		return nil
	}
	versions := ""
	if command == vsrEviction && head[vsrReasonAt] == vsrReasonVersion {
		oldest := binary.LittleEndian.Uint32(head[vsrOldestAt:])
		newest := binary.LittleEndian.Uint32(head[vsrNewestAt:])
		versions = fmt.Sprintf(" (protocol versions %s to %s)", vsrVersion(oldest), vsrVersion(newest))
	}
	return fmt.Errorf("%w: it is a server of Iggy 0.9 or later%s, and this library supports servers of Iggy 0.8 only", iggyerr.ErrProtocol, versions)
}

// vsrVersion returns a version of the protocol as text. 0x2c00 is 0.11.0.
func vsrVersion(v uint32) string {
	const mask = 1<<vsrVersionBits - 1
	return fmt.Sprintf("%d.%d.%d", v>>(2*vsrVersionBits), v>>vsrVersionBits&mask, v&mask)
}
