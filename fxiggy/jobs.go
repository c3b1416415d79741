package fxiggy

import (
	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/jobs"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

func newTopics(c *cluster) jobs.Topics { return jobs.FromConfig(c.cfg.Topics) }

func newPublisher(c *cluster, p *producer.Producer, t jobs.Topics) *jobs.Publisher {
	for _, spec := range []admin.TopicSpec{admin.Of(t.Tasks), admin.Of(t.Status), admin.Of(t.Logs), admin.Of(t.DeadLetters)} {
		c.requireTopic(spec)
	}
	return jobs.NewPublisher(p, t)
}

// newTasks takes the publisher even when the application provides d: tasks that fail always need a
// place, and the application's dead letters mostly use the publisher.
func newTasks(c *cluster, t jobs.Topics, p *jobs.Publisher, d consumer.DeadLetters[*jobspb.DownloadTask]) (*consumer.Consumer[*jobspb.DownloadTask], error) {
	if d == nil {
		d = p
	}
	return newConsumer(c, "tasks", t.Tasks, d)
}

func newStatus(c *cluster, t jobs.Topics, d consumer.DeadLetters[*jobspb.JobStatus]) (*consumer.Consumer[*jobspb.JobStatus], error) {
	return newConsumer(c, "status", t.Status, d)
}

func newLogs(c *cluster, t jobs.Topics, d consumer.DeadLetters[*jobspb.JobLog]) (*consumer.Consumer[*jobspb.JobLog], error) {
	return newConsumer(c, "logs", t.Logs, d)
}

func newDeadLetters(c *cluster, t jobs.Topics, d consumer.DeadLetters[*jobspb.DeadLetterTask]) (*consumer.Consumer[*jobspb.DeadLetterTask], error) {
	return newConsumer(c, "dlq", t.DeadLetters, d)
}
