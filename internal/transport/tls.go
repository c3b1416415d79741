package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
)

// handshake tells a failed handshake that another attempt can't mend from one that the network cut
// short: only the former matches iggyerr.ErrTLS, or iggyerr.ErrProtocol when the peer does not speak TLS at all.
func handshake(ctx context.Context, err error) error {
	var (
		foreign  tls.RecordHeaderError
		verified *tls.CertificateVerificationError
		network  *net.OpError
	)
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.As(err, &foreign):
		return fmt.Errorf("%w: TLS is configured, but %w", iggyerr.ErrProtocol, err)
	case errors.As(err, &verified):
		return fmt.Errorf("%w: the server's certificate: %w", iggyerr.ErrTLS, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("connection closed in the TLS handshake (does the server speak TLS?): %w", err)
	}
	if refused := alert(err); refused != err { //nolint:errorlint // is it the same one
		return refused
	}
	if errors.As(err, &network) {
		return err
	}
	// What is left is crypto/tls's own judgement of what the server said.
	return fmt.Errorf("%w: %w", iggyerr.ErrTLS, err)
}

// alert makes an iggyerr.ErrTLS of an alert by which the server refuses a
// connection, and leaves every other error as it is. With TLS 1.3 the client learns only
// behind the handshake that its certificate is refused: it is the answer to its first request.
func alert(err error) error {
	var network *net.OpError
	if !errors.As(err, &network) || network.Op != "remote error" {
		return err
	}
	// The type of an alert is not exported; it is the number of RFC 8446, section 6.
	v := reflect.ValueOf(network.Err)
	if v.Kind() != reflect.Uint8 {
		return err
	}
	switch v.Uint() {
	case 0, 10, 20, 21, 22, 80, 90, 100:
		// Farewell, damaged or unexpected messages, internal error, cancelled: the next attempt may go better.
		return err
	case 41, 42, 43, 44, 45, 46, 48, 49, 116:
		return fmt.Errorf("%w: the server refuses the client's certificate, or its lack (iggy.tls.cert_file): %w", iggyerr.ErrTLS, err)
	}
	return fmt.Errorf("%w: the server refuses it, for its versions or ciphers, or for want of a client's certificate (iggy.tls.cert_file): %w", iggyerr.ErrTLS, err)
}
