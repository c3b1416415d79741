package store

import (
	"io/fs"
	"os"
	"sync"
)

// maxCachedStates bounds the jobs in a stateCache.
const maxCachedStates = 10_000

// stateCache keeps what was read of the files of states, which only grow: a file is read once, and
// then from where the last read ended. It is safe for concurrent use.
type stateCache struct {
	mu    sync.Mutex
	files map[string]readStates
}

// readStates is what was read of a file of states.
type readStates struct {
	file   fs.FileInfo
	offset int64 // bytes read, whole lines only
	latest State // of these lines
}

// get returns what was read of a file with this name. It returns nothing when the file is another
// one by now, or shorter.
func (c *stateCache) get(name string, current fs.FileInfo) readStates {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.files[name]
	if !ok || !os.SameFile(known.file, current) || current.Size() < known.offset {
		return readStates{file: current}
	}
	return known
}

// put keeps what was read of a file.
func (c *stateCache) put(name string, read readStates) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		c.files = map[string]readStates{}
	}
	if _, ok := c.files[name]; !ok && len(c.files) >= maxCachedStates {
		for other := range c.files {
			delete(c.files, other)
			break
		}
	}
	c.files[name] = read
}
