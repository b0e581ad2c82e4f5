package server

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWhatIsNoFileIsWrittenThrough(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe", link); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // so that nobody waits for the other end
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	for _, name := range []string{pipe, link} {
		if err := writeDocument(name, []byte("text"), nil); err != nil {
			t.Fatal(err)
		}
		if is, err := os.Lstat(pipe); err != nil || is.Mode().Type() != fs.ModeNamedPipe {
			t.Fatalf("the pipe became %v, %v", is.Mode(), err)
		}
		got := make([]byte, 9)
		if n, err := reader.Read(got); err != nil || string(got[:n]) != "text" {
			t.Errorf("%q, %v", got[:n], err)
		}
	}
	if is, err := os.Lstat(link); err != nil || is.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link became %v, %v", is.Mode(), err)
	}
}

func TestALinkStaysAndItsTargetIsReplaced(t *testing.T) {
	dir := t.TempDir()
	file, link, astray := filepath.Join(dir, "farm.yaml"), filepath.Join(dir, "latest"), filepath.Join(dir, "astray")
	if err := os.WriteFile(file, []byte("the one before"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{link: "farm.yaml", astray: "nowhere"} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeDocument(link, []byte("text"), nil); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	if err := writeDocument(astray, []byte("text"), nil); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("a link that leads nowhere: %v", err)
	}
	for _, name := range []string{link, astray} {
		if is, err := os.Lstat(name); err != nil || is.Mode().Type() != fs.ModeSymlink {
			t.Errorf("%s became %v, %v", name, is.Mode(), err)
		}
	}
}

// As in: { quorate export /dev/stdout; cat more; } > all.yaml
func TestStandardOutputByAnotherNameIsNotReplaced(t *testing.T) {
	name := filepath.Join(t.TempDir(), "all.yaml")
	out, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	for _, write := range []func() error{
		func() error { _, err := out.WriteString("before "); return err },
		func() error { return writeDocument(name, []byte("text "), out) },
		func() error { _, err := out.WriteString("after"); return err },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "before text after" {
		t.Errorf("%q, %v", got, err)
	}
}
