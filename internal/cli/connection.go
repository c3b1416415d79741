package cli

import (
	"fmt"
	"strings"

	"github.com/fetchbox/fetchbox-iggy/config"
)

// connectionReporter returns a function that prints why a command waits, and with nil that it goes
// on.
func (a *app) connectionReporter(server config.Iggy) func(error) {
	return func(err error) {
		if err == nil {
			fmt.Fprintf(a.err, "fetchbox-iggy-cli: connected to %s again\n", describeServer(server))
			return
		}
		fmt.Fprintf(a.err, "fetchbox-iggy-cli: waiting for %s: %s\n", describeServer(server), strings.Join(describe(err), "; "))
	}
}
