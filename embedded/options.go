package embedded

import (
	"crypto/tls"
	"time"

	"go.uber.org/zap"
)

// Defaults of a server that is started without options.
const (
	defaultAddress         = "127.0.0.1:0"
	DefaultUsername        = "iggy"
	DefaultPassword        = "iggy"
	defaultHandoverTimeout = 30 * time.Second
	defaultWriteTimeout    = time.Minute
	DefaultRetention       = 256 << 20
)

type options struct {
	address         string
	username        string
	password        string
	log             *zap.Logger
	dir             string
	tls             *tls.Config
	handoverTimeout time.Duration
	writeTimeout    time.Duration
	retention       int64
	clock           func() time.Time
	migration       bool
}

// Option changes a server before it starts.
type Option func(*options)

// WithAddress sets the address to listen on, "host:port". Default: [DefaultAddress], a free port of the loopback
// interface. A server that shall come back at the same place is started again with the address of the first one.
func WithAddress(address string) Option { return func(o *options) { o.address = address } }

// WithCredentials sets the name and the password of the root user. Default: iggy and iggy. On a directory that another
// server has written, the password stored there counts.
func WithCredentials(username, password string) Option {
	return func(o *options) { o.username, o.password = username, password }
}

// WithLogger sets the logger; nil, the default, means none. Connections and handovers are logged at debug, data lost at
// start at warn.
func WithLogger(log *zap.Logger) Option { return func(o *options) { o.log = log } }

// WithDirectory keeps the server's state in this directory, which is created when it is missing: what one server wrote,
// the next one started there reads again. Default: none, everything is lost with the server.
func WithDirectory(dir string) Option { return func(o *options) { o.dir = dir } }

// WithTLS makes the server speak TLS. The configuration needs a certificate; [SelfSigned] makes one. Default: nil, plain
// TCP.
func WithTLS(config *tls.Config) Option { return func(o *options) { o.tls = config } }

// WithHandoverTimeout sets how long a partition that is to move to a joining member waits for its owner to commit what
// it has polled; after that it moves anyway. Default: [DefaultHandoverTimeout]. The real server looks every 5 s, so it
// takes up to 35 s there; this one is at most an eighth of the time late.
func WithHandoverTimeout(d time.Duration) Option { return func(o *options) { o.handoverTimeout = d } }

// WithWriteTimeout sets how long a client may leave an answer unread before its connection is closed. The time starts
// anew with every piece that it takes. Default: [DefaultWriteTimeout]; 0 means for ever, as on the real server.
func WithWriteTimeout(d time.Duration) Option { return func(o *options) { o.writeTimeout = d } }

// WithRetention bounds the bytes that each partition holds, messages with their headers; the oldest are dropped when
// more arrive, always leaving the last batch. Default: [DefaultRetention]. A negative number means no bound.
// The real server's default configuration enforces no retention.
func WithRetention(bytes int64) Option { return func(o *options) { o.retention = bytes } }

// WithClock sets where timestamps come from. Default: [time.Now]. Timers do not follow it.
func WithClock(now func() time.Time) Option { return func(o *options) { o.clock = now } }

// WithConnectionMigration says what happens at a connection's first send to an explicit partition. The real server moves
// such a connection to the shard that has the partition (on a machine of n cores in n-1 of n cases) and forgets the
// user in the list of clients and that the connection is in groups: it stays a member, but when it disconnects, its
// partitions stay with it until someone else joins. With true, the default, this happens always, so that a program that
// sends on a connection of a group is found out; with false never.
func WithConnectionMigration(on bool) Option { return func(o *options) { o.migration = on } }
