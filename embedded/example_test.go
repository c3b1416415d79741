package embedded_test

import (
	"context"
	"fmt"

	"github.com/apache/iggy/foreign/go/client/tcp"
	iggcon "github.com/apache/iggy/foreign/go/contracts"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// A server, and a client of the official SDK that sends a message to it.
func ExampleStart() {
	srv, err := embedded.Start()
	if err != nil {
		panic(err)
	}
	defer func() { _ = srv.Stop(context.Background()) }()

	client, err := tcp.NewIggyTcpClient(tcp.WithServerAddress(srv.Address()))
	if err != nil {
		panic(err)
	}
	defer func() { _ = client.Close() }()
	if _, err = client.LoginUser(embedded.DefaultUsername, embedded.DefaultPassword); err != nil {
		panic(err)
	}
	if _, err = client.CreateStream("shop"); err != nil {
		panic(err)
	}
	stream, _ := iggcon.NewIdentifier("shop")
	topic, _ := iggcon.NewIdentifier("orders")
	if _, err = client.CreateTopic(stream, "orders", 1, iggcon.CompressionAlgorithmNone, 0, 0, nil); err != nil {
		panic(err)
	}
	message, _ := iggcon.NewIggyMessage([]byte("a book"))
	if err = client.SendMessages(stream, topic, iggcon.PartitionId(0), []iggcon.IggyMessage{message}); err != nil {
		panic(err)
	}

	held, err := srv.Messages("shop", "orders", 0)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d: %s\n", held[0].Offset, held[0].Payload)
	// Output: 0: a book
}
