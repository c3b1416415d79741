package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

var errDeclined = errors.New("nothing was done")

// confirm asks for confirmation at a terminal. Elsewhere --yes is needed.
func (a *app) confirm(ctx context.Context, question string) error {
	if !interactive(a.streams.In) {
		return usagef("%s There is no terminal to ask at: confirm with --yes", strings.ToUpper(question[:1])+question[1:])
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(&interruptibleReader{ctx: ctx, r: a.in}).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}
