package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// TLS is the encryption of a connection.
type TLS struct {
	// Enabled turns TLS on. Without it, the other keys of this section are refused.
	Enabled bool `yaml:"enabled"`
	// CAFile is a file with the PEM certificates to trust in place of the system's.
	CAFile string `yaml:"ca_file"`
	// CertFile is a file with a client certificate, as PEM.
	CertFile string `yaml:"cert_file"`
	// KeyFile is a file with the key of CertFile, as PEM.
	KeyFile string `yaml:"key_file"`
	// ServerName is the name in the server's certificate; empty means the endpoint's host.
	ServerName string `yaml:"server_name"`
	// InsecureSkipVerify accepts any certificate, so anyone between client and server can read and
	// change everything. Each start logs a warning.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// TLSConfig returns the configuration for crypto/tls, with TLS 1.2 or newer. It is nil when TLS is
// off. TLSConfig reads the files at each call, so that a new connection uses renewed certificates.
// Its errors name the key.
func (i Iggy) TLSConfig() (*tls.Config, error) {
	if !i.TLS.Enabled {
		return nil, nil //nolint:nilnil // nil is how crypto/tls's users say that TLS is off
	}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         i.TLS.ServerName,
		InsecureSkipVerify: i.TLS.InsecureSkipVerify, //nolint:gosec // asked for, and warned about at each start
	}
	if c.ServerName == "" {
		c.ServerName = i.host()
	}
	f := newFaults("iggy")
	i.loadTLS(f, c)
	if err := f.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func (i Iggy) validateTLS(f faults, u usage) {
	t := i.TLS
	if !t.Enabled {
		f = f.at("tls")
		f.require(t.CAFile == "", "ca_file", "must not be set unless iggy.tls.enabled is true")
		f.require(t.CertFile == "", "cert_file", "must not be set unless iggy.tls.enabled is true")
		f.require(t.KeyFile == "", "key_file", "must not be set unless iggy.tls.enabled is true")
		f.require(t.ServerName == "", "server_name", "must not be set unless iggy.tls.enabled is true")
		f.require(!t.InsecureSkipVerify, "insecure_skip_verify", "must not be set unless iggy.tls.enabled is true")
		return
	}
	if u == used {
		i.loadTLS(f, &tls.Config{}) //nolint:gosec // thrown away
	} else if key, err := t.checkPair(); err != nil {
		f.at("tls").add(key, err)
	}
}

// loadTLS sets the certificates of c from their files.
func (i Iggy) loadTLS(f faults, c *tls.Config) {
	f = f.at("tls")
	if i.TLS.CAFile != "" {
		roots, err := i.TLS.roots()
		if err != nil {
			f.add("ca_file", err)
		}
		c.RootCAs = roots
	}
	if i.TLS.CertFile != "" || i.TLS.KeyFile != "" {
		cert, key, err := i.TLS.certificate()
		if err != nil {
			f.add(key, err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
}

func (t TLS) roots() (*x509.CertPool, error) {
	pem, err := readFile(t.CAFile, maxFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: holds no PEM certificate", t.CAFile)
	}
	return pool, nil
}

// checkPair checks that a client certificate has its key, and returns the key at fault.
func (t TLS) checkPair() (key string, err error) {
	switch {
	case t.CertFile == "" && t.KeyFile != "":
		return "cert_file", errors.New("must be set when key_file is")
	case t.KeyFile == "" && t.CertFile != "":
		return "key_file", errors.New("must be set when cert_file is")
	}
	return "", nil
}

// certificate returns the client certificate, or the key at fault and an error.
func (t TLS) certificate() (cert tls.Certificate, key string, err error) {
	if key, err := t.checkPair(); err != nil {
		return cert, key, err
	}
	certPEM, err := readFile(t.CertFile, maxFile)
	if err != nil {
		return cert, "cert_file", err
	}
	keyPEM, err := readFile(t.KeyFile, maxFile)
	if err != nil {
		return cert, "key_file", err
	}
	if cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return cert, "cert_file", fmt.Errorf("%s with %s: %w", t.CertFile, t.KeyFile, err)
	}
	return cert, "", nil
}
