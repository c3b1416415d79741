package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFile is the largest size of a configuration file and of certificate files.
const maxFile Bytes = 1 << 20

// readFile reads a regular file of at most limit bytes. It refuses other files: reading a pipe
// blocks and empties it for the next connection, and a device may have no end. Errors name the path
// unless it is the content of a file by mistake.
func readFile(path string, limit Bytes) ([]byte, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	// Reading returns good errors for missing files and directories.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, fmt.Errorf("%s: is a %s, not a regular file", path, fileType(info.Mode()))
	}
	return readStream(path, limit)
}

// readInput is like readFile but also reads the pipe of a process substitution, <(command), which a
// shell passes as a file descriptor. A pipe with a name of its own is refused: opening one waits for a
// writer, and no signal ends that.
func readInput(path string, limit Bytes) ([]byte, error) {
	if isDescriptor(path) {
		return readStream(path, limit)
	}
	return readFile(path, limit)
}

// isDescriptor reports whether a path is that of an open file descriptor.
func isDescriptor(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

func readStream(path string, limit Bytes) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if Bytes(len(data)) > limit {
		return nil, fmt.Errorf("%s: larger than %s", path, limit)
	}
	return data, nil
}

func checkPath(path string) error {
	if strings.Contains(path, "\n") {
		return errors.New("must be the path of a file, not its content")
	}
	return nil
}

func fileType(mode os.FileMode) string {
	switch {
	case mode&os.ModeNamedPipe != 0:
		return "pipe"
	case mode&os.ModeSocket != 0:
		return "socket"
	}
	return "device"
}
