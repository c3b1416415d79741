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

// handshakeError tells a failed handshake that a retry can't fix from one that the network
// interrupted. Only the former matches iggyerr.ErrTLS, or iggyerr.ErrProtocol when the peer does
// not speak TLS at all.
func handshakeError(ctx context.Context, err error) error {
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
	if refused := alertError(err); refused != err { //nolint:errorlint // is it the same one
		return refused
	}
	if errors.As(err, &network) {
		return err
	}
	// What is left is crypto/tls's verdict on what the server sent.
	return fmt.Errorf("%w: %w", iggyerr.ErrTLS, err)
}

// alertError turns an alert by which the server refuses a connection into iggyerr.ErrTLS, and
// returns every other error unchanged. With TLS 1.3 the client learns after the handshake that its
// certificate is refused, by the answer to its first request.
func alertError(err error) error {
	var network *net.OpError
	if !errors.As(err, &network) || network.Op != "remote error" {
		return err
	}
	// The type of an alert is not exported. Its value is the number of RFC 8446, section 6.
	v := reflect.ValueOf(network.Err)
	if v.Kind() != reflect.Uint8 {
		return err
	}
	switch v.Uint() {
	case 0, 10, 20, 21, 22, 80, 90, 100:
		// Close, damaged or unexpected records, internal error, cancelled: a retry may succeed.
		return err
	case 41, 42, 43, 44, 45, 46, 48, 49, 116:
		return fmt.Errorf("%w: the server refuses the client's certificate, or requires one (iggy.tls.cert_file): %w", iggyerr.ErrTLS, err)
	}
	return fmt.Errorf("%w: the server refuses it, for its versions or ciphers, or because the client has no certificate (iggy.tls.cert_file): %w", iggyerr.ErrTLS, err)
}
