// Package cli is the program fetchbox-iggy-cli, apart from its process: each
// command is a file, and Run is all that main calls.
package cli
