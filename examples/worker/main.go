// Command worker is the smallest worker: it takes download tasks from Iggy and
// prints where they point. FETCHBOX_CONFIG names its configuration, or
// FETCHBOX__IGGY__ENDPOINT and its like do.
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

// A nil error acknowledges the task; another one has it delivered again, and at last puts it to
// the dead letters.
func download(_ context.Context, m *consumer.Message[*jobspb.DownloadTask]) error {
	fmt.Println(m.Value.GetJobId(), m.Value.GetUrl())
	return nil
}
