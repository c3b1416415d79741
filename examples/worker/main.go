// Command worker is a minimal worker: it consumes download tasks from Iggy and prints their URLs.
// Its configuration is the file that FETCHBOX_CONFIG names, and variables such as
// FETCHBOX__IGGY__ENDPOINT.
package main

import (
	"context"
	"fmt"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/fxiggy"
	"github.com/fetchbox/fetchbox-iggy/jobs/jobspb"
)

func main() {
	fx.New(
		fxiggy.Module,
		fx.Invoke(func(tasks *consumer.Consumer[*jobspb.DownloadTask]) error {
			return tasks.Handle(download)
		}),
	).Run()
}

// download handles a task. Returning nil acknowledges the task. After an error the task is
// redelivered with a delay, and finally dead lettered.
func download(_ context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
	fmt.Println(m.Value.GetJobId(), m.Value.GetUrl())
	return nil
}
