// Package cli implements the commands of fetchbox-iggy-cli. Each command has a file, and main calls
// Run.
package cli
