package docs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/apache/iggy/foreign/go/client"
	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"
	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/iggytest"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// errBilled ends the loop of the test.
var errBilled = errors.New("billed")

// sdkConnect is the SDK's side of migration.md, as are the other functions with sdk in their names.
func sdkConnect(address string) (iggcon.Client, error) {
	cli, err := client.NewIggyClient(client.WithTcp(tcp.WithServerAddress(address)))
	if err != nil {
		return nil, err
	}
	if _, err := cli.LoginUser("iggy", "iggy"); err != nil {
		return nil, err
	}
	return cli, nil
}

func sdkSend(cli iggcon.Client, order Order) error {
	stream, _ := iggcon.NewIdentifier("shop")
	orders, _ := iggcon.NewIdentifier("orders")
	payload, err := json.Marshal(order)
	if err != nil {
		return err
	}
	message, err := iggcon.NewIggyMessage(payload)
	if err != nil {
		return err
	}
	partitioning, err := iggcon.EntityIdString(order.Customer)
	if err != nil {
		return err
	}
	return cli.SendMessages(stream, orders, partitioning, []iggcon.IggyMessage{message})
}

func sdkConsume(cli iggcon.Client, handle func(Order) error) error {
	stream, _ := iggcon.NewIdentifier("shop")
	orders, _ := iggcon.NewIdentifier("orders")
	group, _ := iggcon.NewIdentifier("billing")
	if err := cli.JoinConsumerGroup(stream, orders, group); err != nil {
		return err
	}
	member := iggcon.NewGroupConsumer(group)
	for {
		polled, err := cli.PollMessages(stream, orders, member, iggcon.NextPollingStrategy(), 100, false, nil)
		if err != nil {
			return err
		}
		for _, m := range polled.Messages {
			var order Order
			if err := json.Unmarshal(m.Payload, &order); err != nil {
				return err
			}
			if err := handle(order); err != nil {
				return err
			}
			if err := cli.StoreConsumerOffset(member, stream, orders, m.Header.Offset, &polled.PartitionId); err != nil {
				return err
			}
		}
		if len(polled.Messages) == 0 {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func connect(ctx context.Context) (config.Config, error) {
	cfg, err := config.Load(config.WithPrefix("SHOP"), config.WithFile("shop.yaml"))
	if err != nil {
		return cfg, err
	}
	spec := admin.Spec{admin.Of(Orders, config.DefaultConsumer("billing").Groups()...)}
	_, err = admin.Provision(ctx, cfg.Iggy, spec)
	return cfg, err
}

func send(ctx context.Context, p *producer.Producer, order Order) error {
	_, err := producer.For(p, Orders).Publish(ctx, order)
	return err
}

func consume(ctx context.Context, billing *consumer.Consumer[Order], handle func(Order) error) error {
	err := billing.Handle(func(_ context.Context, m *consumer.Message[Order]) error {
		return handle(m.Value)
	})
	if err != nil {
		return err
	}
	return billing.Start(ctx)
}

// Both sides of migration.md do the same: either one reads what the other one has written, and goes on
// where it has stopped.
func TestMigration(t *testing.T) {
	t.Parallel()
	srv := iggytest.NewServer(t)
	cfg, err := config.Load(config.WithYAML("test.yaml", srv.YAML()), config.WithEnviron(nil))
	require.NoError(t, err)
	_, err = admin.Provision(t.Context(), cfg.Iggy, admin.Spec{admin.Of(Orders, config.DefaultConsumer("billing").Groups()...)})
	require.NoError(t, err)
	cli, err := sdkConnect(srv.Address())
	require.NoError(t, err)
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))

	require.NoError(t, sdkSend(cli, Order{ID: "1", Customer: "acme"}))
	require.NoError(t, send(t.Context(), p, Order{ID: "2", Customer: "acme"}))
	require.NoError(t, sdkSend(cli, Order{ID: "3", Customer: "acme"}))
	require.NoError(t, p.Stop(t.Context()))

	err = sdkConsume(cli, func(o Order) error {
		if o.ID == "2" {
			return errBilled // its offset is not stored
		}
		return nil
	})
	require.ErrorIs(t, err, errBilled)
	require.NoError(t, cli.Close())

	billed := make(chan string, 10)
	billing, err := consumer.New(cfg.Iggy, config.DefaultConsumer("billing"), Orders)
	require.NoError(t, err)
	require.NoError(t, consume(t.Context(), billing, func(o Order) error {
		billed <- o.ID
		return nil
	}))
	require.Equal(t, "2 3", fmt.Sprint(<-billed, " ", <-billed))
	require.NoError(t, billing.Stop(t.Context()))
	_, err = connect(t.Context())
	require.Error(t, err, "there is no shop.yaml here")
}
