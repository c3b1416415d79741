package jobs_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/embedded"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// The library without Fx, with an iteration in place of a handler.
func Example() {
	srv, err := embedded.Start()
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	defer func() { _ = srv.Stop(ctx) }()
	cfg := config.Default()
	cfg.Cluster = jobs.DefaultCluster()
	cfg.Iggy.Endpoint = srv.Endpoint()
	cfg.Iggy.ClientID, cfg.Iggy.ClientSecret = "iggy", config.NewSecret("iggy")
	if err := run(ctx, cfg); err != nil {
		log.Fatal(err)
	}
	// Output: logo https://example.com/logo.png
}

func run(ctx context.Context, cfg config.Config) error {
	topics := jobs.FromConfig(cfg.Topics)

	// What is missing on the server is created.
	if _, err := admin.Provision(ctx, cfg.Iggy, jobs.Spec(cfg.Cluster)); err != nil {
		return err
	}

	// A producer, and FetchBox's publisher over it.
	p, err := producer.New(cfg.Iggy, cfg.Producer)
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = p.Stop(ctx) }()
	publisher := jobs.NewPublisher(p, topics)
	_, err = publisher.PublishDownloadTask(ctx, &jobspb.DownloadTask{JobId: "job-1", ResourceId: "logo", Url: "https://example.com/logo.png"})
	if err != nil {
		return err
	}

	// A consumer, whose failed tasks go to the dead letters.
	tasks, err := consumer.New(cfg.Iggy, cfg.Consumers["tasks"], topics.Tasks)
	if err != nil {
		return err
	}
	if err := tasks.SetDeadLetters(publisher); err != nil {
		return err
	}
	if err := tasks.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = tasks.Stop(ctx) }()
	for m, err := range tasks.Messages(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(m.Value.GetResourceId(), m.Value.GetUrl())
		m.Ack()
		break
	}
	return nil
}
