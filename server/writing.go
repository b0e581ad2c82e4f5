package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// writeDocument writes to a file; to standard output if none is named. A regular
// file is replaced. Anything else that is there, like /dev/null, is written
// through: in its place a regular file would be in everybody's way.
func writeDocument(file string, text []byte, stdout io.Writer) error {
	if file == "" {
		_, err := stdout.Write(text)
		return err
	}
	is, err := os.Stat(file)
	switch {
	case err == nil && isOutput(stdout, is):
		_, err = stdout.Write(text)
	case err == nil && !is.Mode().IsRegular():
		err = writeThrough(file, text)
	case err == nil:
		err = replace(file, text, nil)
	case errors.Is(err, fs.ErrNotExist):
		err = create(file, text)
	}
	if err != nil {
		return fmt.Errorf("writing the document: %w", err)
	}
	return nil
}

// isOutput reports whether a file is standard output by another name, as
// /dev/stdout is: whoever opened it goes on writing there.
func isOutput(stdout io.Writer, is fs.FileInfo) bool {
	f, ok := stdout.(*os.File)
	if !ok {
		return false
	}
	out, err := f.Stat()
	return err == nil && os.SameFile(is, out)
}

func writeThrough(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// create writes a file that is not there. A symbolic link that leads nowhere is
// left to whoever made it.
func create(file string, text []byte) error {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s is a symbolic link to what does not exist", file)
	}
	return swap(file, text, nil)
}

// replace replaces what a name leads to: a symbolic link stays one.
func replace(file string, text []byte, like fs.FileInfo) error {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	return swap(file, text, like)
}

// swap puts the file there in one step, so that a backup that fails does not take
// the last one with it. It is for its owner alone, or for whom another file is.
func swap(file string, text []byte, like fs.FileInfo) error {
	next, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	if like != nil {
		err = belongAs(next, like)
	}
	if err == nil {
		_, err = next.Write(text)
	}
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), file)
	}
	if err != nil {
		_ = os.Remove(next.Name())
	}
	return err
}

// belongAs gives a file the mode, user and group of another.
func belongAs(f *os.File, like fs.FileInfo) error {
	if owner, ok := like.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(like.Mode().Perm())
}
