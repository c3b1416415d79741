// Command generate writes the files that package configdoc makes. It runs in the directory of
// package config.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fetchbox/fetchbox-iggy/internal/configdoc"
)

func main() {
	for path, content := range map[string]func(string) ([]byte, error){
		filepath.Join("..", "jobs", "fetchbox.example.yaml"): configdoc.Example,
		filepath.Join("..", "docs", "configuration.md"):      configdoc.Markdown,
	} {
		text, err := content(".")
		if err == nil {
			err = os.WriteFile(path, text, 0o644) //nolint:gosec // a document for everyone
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "generate:", err)
			os.Exit(1)
		}
	}
}
