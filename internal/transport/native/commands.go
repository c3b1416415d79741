package native

import (
	"context"
	"errors"
	"fmt"

	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/transport"
	"github.com/fetchbox/fetchbox-iggy/internal/wire"
)

// roundTrip sends the call, returns its answer and releases the call.
func (c *conn) roundTrip(ctx context.Context, k *call, batch *wire.Batch) (answer, error) {
	reusable, err := c.exchange(ctx, k, batch)
	if err != nil {
		return answer{}, err
	}
	a := k.answer
	if k.status != 0 {
		err = &iggyerr.StatusError{Op: k.op, Status: k.status}
	}
	if reusable {
		k.release()
	}
	return a, err
}

// withObject adds the command's object to a status error of the command itself. The error for which
// a connection was closed is that of another call, and shared by all calls that it ended.
func withObject(err error, object string) error {
	var conn *iggyerr.ConnError
	var status *iggyerr.StatusError
	if !errors.As(err, &conn) && errors.As(err, &status) {
		status.Object = object
	}
	return err
}

// failDecode breaks the connection because of an answer that could not be decoded.
func (c *conn) failDecode(op string, err error) error {
	c.fail(err)
	return &iggyerr.ConnError{Op: op, Addr: c.address, Sent: true, Err: err}
}

// Login authenticates the connection.
func (c *conn) Login(ctx context.Context, cred transport.Credentials) error {
	if err := transport.CheckCredentials(cred); err != nil {
		return err
	}
	code := wire.CodeLogin
	if cred.Token != "" {
		code = wire.CodeTokenLogin
	}
	k := newCall("login", code, loginShape)
	if cred.Token != "" {
		k.frame = wire.AppendTokenLogin(k.frame, cred.Token)
	} else {
		k.frame = wire.AppendLogin(k.frame, cred.Username, cred.Password)
	}
	// The secret must not stay in the pool.
	k.secret = true
	_, err := c.roundTrip(ctx, k, nil)
	return err
}

// Ping checks that the server answers.
func (c *conn) Ping(ctx context.Context) error {
	_, err := c.roundTrip(ctx, newCall("ping", codePing, emptyShape), nil)
	return err
}

// Cluster reads the metadata of the cluster.
func (c *conn) Cluster(ctx context.Context) (transport.Cluster, error) {
	const op = "read cluster"
	a, err := c.roundTrip(ctx, newCall(op, codeCluster, metadataShape), nil)
	if err != nil {
		return transport.Cluster{}, err
	}
	cluster, err := decodeCluster(a.body)
	if err != nil {
		return transport.Cluster{}, c.failDecode(op, err)
	}
	return cluster, nil
}

// Topic reads a topic's metadata. The server answers with an empty body when the stream or the
// topic does not exist.
func (c *conn) Topic(ctx context.Context, stream, topic string) (transport.Topic, error) {
	const op = "read topic"
	if err := transport.CheckNames(op, "stream", stream, "topic", topic); err != nil {
		return transport.Topic{}, err
	}
	k := newCall(op, codeTopic, metadataShape)
	k.frame = appendName(k.frame, stream)
	k.frame = appendName(k.frame, topic)
	a, err := c.roundTrip(ctx, k, nil)
	if err == nil && len(a.body) == 0 {
		err = &iggyerr.StatusError{Op: op, Status: iggyerr.StatusTopicNotFound}
	}
	if err != nil {
		return transport.Topic{}, withObject(err, transport.ObjectTopic(stream, topic))
	}
	t, err := decodeTopic(a.body)
	if err != nil {
		return transport.Topic{}, c.failDecode(op, err)
	}
	return t, nil
}

// Send appends the batch to one partition. It writes large batches straight from their memory.
func (c *conn) Send(ctx context.Context, stream, topic string, partition uint32, b *wire.Batch) error {
	const op = "send"
	if err := transport.CheckNames(op, "stream", stream, "topic", topic); err != nil {
		return err
	}
	if b.Len() == 0 {
		return transport.ErrEmptyBatch
	}
	k := newCall(op, codeSend, emptyShape)
	k.frame = appendSend(k.frame, stream, topic, partition, b)
	if _, err := c.roundTrip(ctx, k, b); err != nil {
		return withObject(err, transport.ObjectPartition(stream, topic, partition))
	}
	return nil
}

// Poll reads messages. It takes two allocations beside the answer, one for all bytes and one for
// all messages.
func (c *conn) Poll(ctx context.Context, p transport.Poll) (*transport.Polled, error) {
	const op = "poll"
	if err := checkConsumer(op, p.Consumer); err != nil {
		return nil, err
	}
	k := newCall(op, codePoll, answerShape{polled: true, maxBytes: p.MaxBytes})
	k.frame = appendPoll(k.frame, p)
	a, err := c.roundTrip(ctx, k, nil)
	if err != nil {
		return nil, withObject(err, p.Consumer.Object(p.Partition))
	}
	polled, err := decodePolled(a)
	if err != nil {
		c.fail(err)
		return nil, &iggyerr.ConnError{Op: op, Addr: c.address, Sent: true, Err: fmt.Errorf("%w: %w", transport.ErrUndecodable, err)}
	}
	return polled, nil
}

// StoreOffset sets a consumer's offset.
func (c *conn) StoreOffset(ctx context.Context, who transport.Consumer, partition uint32, offset uint64) error {
	const op = "store offset"
	if err := checkConsumer(op, who); err != nil {
		return err
	}
	k := newCall(op, codeStoreOffset, emptyShape)
	k.frame = appendStoreOffset(k.frame, who, partition, offset)
	if _, err := c.roundTrip(ctx, k, nil); err != nil {
		return withObject(err, who.Object(int64(partition)))
	}
	return nil
}

// DeleteOffset deletes a consumer's offset.
func (c *conn) DeleteOffset(ctx context.Context, who transport.Consumer, partition uint32) error {
	const op = "delete offset"
	if err := checkConsumer(op, who); err != nil {
		return err
	}
	k := newCall(op, codeDeleteOffset, emptyShape)
	k.frame = appendConsumer(k.frame, who, int64(partition))
	if _, err := c.roundTrip(ctx, k, nil); err != nil {
		return withObject(err, who.Object(int64(partition)))
	}
	return nil
}

// Offset reads a consumer's offset.
func (c *conn) Offset(ctx context.Context, who transport.Consumer, partition uint32) (transport.Offset, error) {
	const op = "read offset"
	if err := checkConsumer(op, who); err != nil {
		return transport.Offset{}, err
	}
	k := newCall(op, codeOffset, offsetShape)
	k.frame = appendConsumer(k.frame, who, int64(partition))
	a, err := c.roundTrip(ctx, k, nil)
	if err != nil {
		return transport.Offset{}, withObject(err, who.Object(int64(partition)))
	}
	o, err := decodeOffset(a.body)
	if err != nil {
		return transport.Offset{}, c.failDecode(op, err)
	}
	return o, nil
}

// Join makes the connection a member of the group.
func (c *conn) Join(ctx context.Context, g transport.Group) error {
	_, err := c.group(ctx, "join", codeJoin, emptyShape, g)
	return err
}

// Leave ends the membership.
func (c *conn) Leave(ctx context.Context, g transport.Group) error {
	_, err := c.group(ctx, "leave", codeLeave, emptyShape, g)
	return err
}

// Members reads which partitions each member of the group owns. The server answers with an empty
// body when the group, its topic or its stream does not exist.
func (c *conn) Members(ctx context.Context, g transport.Group) (transport.Members, error) {
	const op = "read group"
	a, err := c.group(ctx, op, codeGroup, metadataShape, g)
	if err == nil && len(a.body) == 0 {
		err = &iggyerr.StatusError{Op: op, Object: g.String(), Status: iggyerr.StatusGroupNotFound}
	}
	if err != nil {
		return transport.Members{}, err
	}
	m, err := decodeGroup(a.body)
	if err != nil {
		return transport.Members{}, c.failDecode(op, err)
	}
	return m, nil
}

func (c *conn) group(ctx context.Context, op string, code uint32, s answerShape, g transport.Group) (answer, error) {
	if err := transport.CheckNames(op, "stream", g.Stream, "topic", g.Topic, "group", g.Name); err != nil {
		return answer{}, err
	}
	k := newCall(op, code, s)
	k.frame = appendGroup(k.frame, g)
	a, err := c.roundTrip(ctx, k, nil)
	if err != nil {
		return answer{}, withObject(err, g.String())
	}
	return a, nil
}

func checkConsumer(op string, c transport.Consumer) error {
	return transport.CheckNames(op, "stream", c.Stream, "topic", c.Topic, "consumer", c.Name)
}

// exchange sends the call's request, followed by tail, and waits for its answer. reusable tells
// that nothing refers to the call any more.
func (c *conn) exchange(ctx context.Context, k *call, batch *wire.Batch) (reusable bool, err error) {
	if ctx.Err() != nil {
		return true, c.connError(k, false, context.Cause(ctx))
	}
	k.interrupter.watch(ctx, c, k.interrupt)
	if err = c.send(ctx, k, batch); err == nil {
		err = c.await(ctx, k)
	}
	return k.interrupter.stopWatching() && err == nil, err
}
