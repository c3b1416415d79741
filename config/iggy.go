package config

import "time"

// Iggy is the connection to a server.
type Iggy struct {
	// Endpoint is iggy://host:port or tcp://host:port, or several hosts: iggy://a:8090,b:8090. The
	// port defaults to 8090.
	Endpoint string `yaml:"endpoint"`
	// Transport is the implementation of the wire protocol.
	Transport Transport `yaml:"transport"`
	// ClientID is the user's name.
	ClientID string `yaml:"client_id"`
	// ClientSecret is the user's password.
	ClientSecret Secret `yaml:"client_secret"`
	// ClientSecretFile is a file with the password; a line break at its end is ignored. At most one
	// of ClientSecret, ClientSecretFile and Token is set.
	ClientSecretFile string `yaml:"client_secret_file"`
	// Token is a personal access token, in place of name and password.
	Token Secret `yaml:"token"`
	// TLS is the encryption of the connection.
	TLS TLS `yaml:"tls"`
	// DialTimeout is the time limit of connecting, the TLS handshake and the login together.
	DialTimeout time.Duration `yaml:"dial_timeout"`
	// RequestTimeout is the time limit of each request. When the server does not answer in time,
	// the connection is replaced.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	// HeartbeatInterval is how often each connection pings the server.
	HeartbeatInterval time.Duration `yaml:"heartbeat_interval"`
	// Start defines whether a start waits for the server.
	Start StartMode `yaml:"start"`
	// StartTimeout is how long a start waits for the server. With Fx the limit covers everything
	// that the start of the cluster's components does on the network, provisioning included.
	StartTimeout time.Duration `yaml:"start_timeout"`
	// Reconnect is the backoff between attempts to connect. Their number has no limit.
	Reconnect Backoff `yaml:"reconnect"`
	// Breaker is the circuit breaker of the connection.
	Breaker Breaker `yaml:"breaker"`
}

// Transport names an implementation of the wire protocol.
type Transport string

// The transports.
const (
	// TransportNative is this library's own implementation.
	TransportNative Transport = "native"
	// TransportSDK is the official Go SDK.
	TransportSDK Transport = "sdk"
)

// StartMode defines whether a start waits for the server.
type StartMode string

// The modes of a start.
const (
	// StartWait waits for the server; the start fails when start_timeout is over.
	StartWait StartMode = "wait"
	// StartBackground does not wait; the service is alive and not ready until the server can be
	// reached.
	StartBackground StartMode = "background"
)

// Validate is like Config.ValidateCluster for this section: it needs a login, and reads the files.
func (i Iggy) Validate() error {
	f := newFaults("iggy")
	i.validate(f, used)
	return f.err()
}

func (i Iggy) validate(f faults, u usage) {
	if _, err := splitEndpoint(i.Endpoint); err != nil {
		f.add("endpoint", err)
	}
	oneOf(f, "transport", i.Transport, TransportNative, TransportSDK)
	i.validateLogin(f, u)
	i.validateTLS(f, u)
	positive(f, "dial_timeout", i.DialTimeout)
	positive(f, "request_timeout", i.RequestTimeout)
	positive(f, "heartbeat_interval", i.HeartbeatInterval)
	oneOf(f, "start", i.Start, StartWait, StartBackground)
	positive(f, "start_timeout", i.StartTimeout)
	i.Reconnect.validate(f.at("reconnect"))
	i.Breaker.validate(f.at("breaker"))
}
