package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"

	"go.uber.org/zap"
)

// setAsideDir holds what the server could not use: damaged and foreign files. Nothing deletes them.
const setAsideDir = "set-aside"

// setAside moves a file to the directory for what can't be used and returns its new name. Of a
// symbolic link it moves the link.
func (st *store) setAside(name string) (string, error) {
	to, err := st.asideName(name)
	if err != nil {
		return "", err
	}
	return to, st.root.Rename(name, to)
}

// asideName returns a free name for a file in the directory for what can't be used.
func (st *store) asideName(name string) (string, error) {
	if err := st.root.MkdirAll(setAsideDir, 0o755); err != nil {
		return "", err
	}
	base := path.Join(setAsideDir, path.Base(name))
	for to, n := base, 1; ; n++ {
		if _, err := st.root.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			return to, nil
		} else if err != nil {
			return "", err
		}
		to = base + "." + strconv.Itoa(n)
	}
}

// setTailAside moves the end of a file, which was not written completely, to a file of its own.
func (st *store) setTailAside(name string, tail []byte, position int64) error {
	aside, err := st.asideName(name + "." + strconv.FormatInt(position, 10))
	if err != nil {
		return err
	}
	if err := st.writeFile(aside, tail, true); err != nil {
		return err
	}
	file, err := st.root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Truncate(position), file.Close()); err != nil {
		return err
	}
	st.log.Warn("incomplete write set aside", zap.String("file", st.path(name)), zap.String("set_aside", st.path(aside)),
		zap.Int64("position", position), zap.Int("bytes", len(tail)))
	return nil
}

// logSetAside logs files that were set aside, and why, as one entry.
func (st *store) logSetAside(why string, names []string) {
	if len(names) > 0 {
		st.log.Warn("files set aside", zap.String("reason", why), zap.String("first", st.path(names[0])),
			zap.Int("count", len(names)), zap.String("directory", st.path(setAsideDir)))
	}
}
