package app

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// startEmbedded starts a server in this process. It writes each message to the data directory before
// it confirms it, so that accepted jobs survive kill -9 and a crash of the machine.
func (s *settings) startEmbedded(log *zap.Logger, out io.Writer) (stop func(), err error) {
	dir := filepath.Join(s.Data, "iggy")
	srv, err := embedded.Start(embedded.WithDirectory(dir), embedded.WithLogger(log),
		embedded.WithMessagesRequiredToSave(1), embedded.WithEnforceFsync(true))
	if err != nil {
		return nil, err
	}
	s.config.Iggy.Endpoint = srv.Endpoint()
	fmt.Fprintf(out, "No Iggy server is configured (FETCHBOX__IGGY__ENDPOINT): "+
		"using an embedded server at %s, which writes each message to the disk in %s. "+
		"The command line tool reaches it with --endpoint iggy://%s:%s@%s.\n",
		srv.Address(), dir, embedded.DefaultUsername, embedded.DefaultPassword, srv.Address())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			log.Error("embedded server did not stop cleanly", zap.Error(err))
		}
	}, nil
}
