package cli

import "io"

// Streams are the program's standard streams. A *os.File that is a terminal gets colours and
// progress bars, anything else gets plain text.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}
