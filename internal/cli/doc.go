// Package cli is the program fetchbox-iggy-cli without its process: each command has a file, and
// main calls Run.
package cli
