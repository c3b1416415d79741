package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// maxJSONBytes bounds a file of JSON. The largest one is a manifest.
const maxJSONBytes = 16 << 20

// putJSON writes v to a file, as JSON.
func (s *Store) putJSON(name string, v any) error {
	b, err := encodeJSON(v)
	if err != nil {
		return err
	}
	if len(b) > maxJSONBytes {
		return fmt.Errorf("store: %s: %w", name, errTooLarge)
	}
	f, err := s.create()
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		f.Abort()
		return fmt.Errorf("store: %w", err)
	}
	return f.commit(name)
}

// encodeJSON returns v as a line of JSON. It escapes no more characters than it must: what others
// have written stays as long as it is.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return b.Bytes(), nil
}

// getJSON reads a file that putJSON wrote into v. It returns ErrNotFound when there is none. A file
// that can't be decoded, or for which valid is false, is put aside: there is none, then.
func (s *Store) getJSON(name string, v any, valid func() bool) error {
	b, err := s.readFile(name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	switch {
	case err == nil && valid():
		return nil
	case err == nil:
		err = errForeign
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("store: %w", err)
	case !isDamage(err):
		return fmt.Errorf("store: %s: %w", name, err)
	}
	if err := s.putAside(name, err); err != nil {
		return err
	}
	return fmt.Errorf("store: %s was damaged: %w", name, ErrNotFound)
}

// isDamage reports whether err is about the content of a file.
func isDamage(err error) bool {
	var path *fs.PathError
	return !errors.As(err, &path)
}

// readFile reads a regular file of at most maxJSONBytes.
func (s *Store) readFile(name string) ([]byte, error) {
	info, err := s.root.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errNotRegular
	case info.Size() > maxJSONBytes:
		return nil, errTooLarge
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxJSONBytes))
}
