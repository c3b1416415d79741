package cli

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/connect"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// serverSettings are the settings of a server by key, such as "system.partition.enforce_fsync", as
// far as the server discloses them.
type serverSettings map[string]string

const (
	codeGetSnapshot = 11
	// snapshotDeflated is the compression of a snapshot, snapshotConfig the requested part.
	snapshotDeflated = 2
	snapshotConfig   = 6
	// maxSnapshot bounds the answer and its decompressed size in bytes; a server's configuration
	// has some 4 KiB.
	maxSnapshot = 4 << 20
)

// errNoSettings is returned when the server does not disclose its settings.
var errNoSettings = errors.New("the server does not disclose its settings")

// readSettings reads the settings of the leader with the command get snapshot: the request is `[u8
// compression][u8 n][n × u8 part]`, the answer a ZIP archive with a TOML file. Measured on Iggy
// 0.8.0, where the file is empty when a transport of the server is turned off. The file may hold
// secrets, so only the keys that doctor checks are kept.
func readSettings(ctx context.Context, cfg config.Iggy, leader *connect.Connection) (serverSettings, error) {
	credentials, err := cfg.Credentials()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.RequestTimeout)
	defer cancel()
	nc, err := transport.Connect(ctx, leader.Address, leader.TLS)
	if err != nil {
		return nil, err
	}
	defer transport.Abort(nc)
	defer context.AfterFunc(ctx, func() { transport.Abort(nc) })()
	login, body := wire.CodeLogin, wire.AppendLogin(nil, credentials.Username, credentials.Password.Reveal())
	if credentials.Token.IsSet() {
		login, body = wire.CodeTokenLogin, wire.AppendTokenLogin(nil, credentials.Token.Reveal())
	}
	if _, err := request(nc, "login", login, body); err != nil {
		return nil, err
	}
	archive, err := request(nc, "get snapshot", codeGetSnapshot, []byte{snapshotDeflated, 1, snapshotConfig})
	if err != nil {
		return nil, err
	}
	return parseSnapshot(archive)
}

// request sends one request, and reads its answer.
func request(nc net.Conn, op string, code uint32, body []byte) ([]byte, error) {
	frame := append(wire.BeginFrame(nil, code), body...)
	wire.EndFrame(frame, 0)
	if _, err := nc.Write(frame); err != nil {
		return nil, err
	}
	var head [transport.AnswerHeaderSize]byte
	if _, err := io.ReadFull(nc, head[:]); err != nil {
		return nil, transport.ReadError(err, nil, false)
	}
	status, length, err := transport.ParseAnswerHeader(head)
	if err != nil {
		return nil, err
	}
	if status != 0 {
		return nil, &iggyerr.StatusError{Op: op, Status: status}
	}
	if length > maxSnapshot {
		return nil, fmt.Errorf("%s: an answer of %d bytes", op, length)
	}
	answer := make([]byte, binary.LittleEndian.Uint32(head[4:]))
	_, err = io.ReadFull(nc, answer)
	return answer, err
}

// parseSnapshot reads the settings from the ZIP archive.
func parseSnapshot(archive []byte) (serverSettings, error) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	found := serverSettings{}
	for _, file := range z.File {
		r, err := file.Open()
		if err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
		found.parse(io.LimitReader(r, maxSnapshot))
		_ = r.Close()
	}
	if len(found) == 0 {
		return nil, errNoSettings
	}
	return found, nil
}

// The settings that doctor checks.
const (
	settingCleaner       = "data_maintenance.messages.cleaner_enabled"
	settingRequired      = "system.partition.messages_required_to_save"
	settingFsync         = "system.partition.enforce_fsync"
	settingSaver         = "message_saver.enabled"
	settingDeduplication = "system.message_deduplication.enabled"
	// embeddedSetting is set when the server is an embedded one.
	embeddedSetting = "embedded"
)

// checkedSettings are these settings.
var checkedSettings = []string{settingCleaner, settingRequired, settingFsync, settingSaver, settingDeduplication, embeddedSetting}

// parse reads the part of TOML that the server writes: sections, and lines with a key and a plain
// value.
func (s serverSettings) parse(r io.Reader) {
	lines := bufio.NewScanner(r)
	section := ""
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]") + "."
			continue
		}
		if strings.Contains(line, "embedded server") {
			s[embeddedSetting] = "true"
		}
		key, value, ok := strings.Cut(line, "=")
		if key = section + strings.TrimSpace(key); ok {
			for _, k := range checkedSettings {
				if k == key {
					s[k] = strings.Trim(strings.TrimSpace(value), `"`)
				}
			}
		}
	}
}
